//! In which order steps can be done.

use std::collections::BTreeSet;

use crate::definition::Definition;

/// A way from a step to itself along `needs`, if there is one: its ids, the first again at the end.
pub(crate) fn cycle(definition: &Definition) -> Option<Vec<String>> {
    let names: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
    let next = |at: usize| definition.steps[at].needs.iter().filter_map(|need| definition.position(need)).collect();
    let way = cycle_among(names.len(), next)?;
    Some(way.into_iter().map(|at| names[at].to_owned()).collect())
}

/// A cycle among things that lead to others, if there is one; the first stands again at its end.
pub(crate) fn cycle_among(count: usize, next: impl Fn(usize) -> Vec<usize>) -> Option<Vec<usize>> {
    let mut done = vec![false; count];
    for start in 0..count {
        // Each entry: where we are, and what of its successors is left to look at.
        let mut way = vec![(start, next(start))];
        while let Some((at, left)) = way.last_mut() {
            let at = *at;
            let Some(to) = left.pop() else {
                done[at] = true;
                way.pop();
                continue;
            };
            if let Some(begins) = way.iter().position(|(on, _)| *on == to) {
                let cycle = way[begins..].iter().map(|(on, _)| *on);
                return Some(cycle.chain([to]).collect());
            }
            if !done[to] {
                way.push((to, next(to)));
            }
        }
    }
    None
}

/// The ids of all steps that come before this one: those it needs, and those that they need.
pub(crate) fn before(definition: &Definition, at: usize) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&str> = definition.steps[at].needs.iter().map(String::as_str).collect();
    while let Some(id) = left.pop() {
        if found.insert(id)
            && let Some(at) = definition.position(id)
        {
            left.extend(definition.steps[at].needs.iter().map(String::as_str));
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
        assert_eq!(cycle_among(4, |at| cyclic[at].clone()), Some(vec![1, 2, 3, 1]));
        let diamond = [vec![1, 2], vec![3], vec![3], vec![]];
        assert_eq!(cycle_among(4, |at| diamond[at].clone()), None);
        assert_eq!(cycle_among(1, |_| vec![0]), Some(vec![0, 0]));
    }
}
