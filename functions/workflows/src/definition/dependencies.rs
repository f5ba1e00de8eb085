//! The graph of dependencies: cycles, and the steps that come before another.

use std::collections::BTreeSet;

use crate::definition::document::Definition;

/// A cycle among the `needs` of steps, if there is one: its ids, the first again at the end.
pub(crate) fn cycle_of_steps(definition: &Definition) -> Option<Vec<String>> {
    let names: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
    let next = |at: usize| definition.steps[at].needs.iter().filter_map(|need| definition.step_index(need)).collect();
    let cycle = find_cycle(names.len(), next)?;
    Some(cycle.into_iter().map(|at| names[at].to_owned()).collect())
}

/// A cycle in a graph of nodes `0..count`, if there is one; its first node is repeated at the end.
pub(crate) fn find_cycle(count: usize, next: impl Fn(usize) -> Vec<usize>) -> Option<Vec<usize>> {
    let mut done = vec![false; count];
    for start in 0..count {
        // Each entry: a node, and its successors that are not visited yet.
        let mut path = vec![(start, next(start))];
        while let Some((node, left)) = path.last_mut() {
            let node = *node;
            let Some(to) = left.pop() else {
                done[node] = true;
                path.pop();
                continue;
            };
            if let Some(start) = path.iter().position(|(node, _)| *node == to) {
                let cycle = path[start..].iter().map(|(node, _)| *node);
                return Some(cycle.chain([to]).collect());
            }
            if !done[to] {
                path.push((to, next(to)));
            }
        }
    }
    None
}

/// The ids of all steps that end before this one starts: those it needs, and those that they need.
pub(crate) fn ancestors(definition: &Definition, step: usize) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&str> = definition.steps[step].needs.iter().map(String::as_str).collect();
    while let Some(id) = left.pop() {
        if found.insert(id)
            && let Some(step) = definition.step_index(id)
        {
            left.extend(definition.steps[step].needs.iter().map(String::as_str));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_found_wherever_it_begins_and_a_diamond_is_none() {
        let cyclic = [vec![1], vec![2], vec![3], vec![1]];
        assert_eq!(find_cycle(4, |at| cyclic[at].clone()), Some(vec![1, 2, 3, 1]));
        let diamond = [vec![1, 2], vec![3], vec![3], vec![]];
        assert_eq!(find_cycle(4, |at| diamond[at].clone()), None);
        assert_eq!(find_cycle(1, |_| vec![0]), Some(vec![0, 0]));
    }
}
