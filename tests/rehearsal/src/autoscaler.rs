//! How far and how soon an autoscaler goes where its metric asks it to, as in `horizontal.go` of Kubernetes 1.36.

/// The behaviour of one autoscaler (`spec.behavior` of `autoscaling/v2`, with `selectPolicy: Max`). Times are in seconds.
#[derive(Debug, Clone)]
pub struct Behavior {
    /// The fewest replicas.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// Upwards.
    pub up: Direction,
    /// Downwards.
    pub down: Direction,
}

/// How replicas may change in one direction.
#[derive(Debug, Clone)]
pub struct Direction {
    /// The most careful of the proposals of so many seconds counts.
    pub window: f64,
    /// The one that allows the most counts; without any nothing is limited.
    pub policies: Vec<Policy>,
}

/// The most that may change in a period.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// By how much.
    pub change: Change,
    /// In how many seconds.
    pub period: f64,
}

/// An amount of replicas.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// So many.
    Pods(u32),
    /// So many of a hundred.
    Percent(u32),
}

/// What an autoscaler remembers.
#[derive(Debug)]
pub struct Autoscaler {
    behavior: Behavior,
    /// Proposals and when each was made.
    proposals: Vec<(f64, u32)>,
    added: Vec<(f64, u32)>,
    removed: Vec<(f64, u32)>,
}

impl Autoscaler {
    /// One that has decided nothing yet.
    pub fn new(behavior: Behavior) -> Self {
        Self { behavior, proposals: Vec::new(), added: Vec::new(), removed: Vec::new() }
    }

    /// The replicas that there are to be from now on.
    pub fn decide(&mut self, now: f64, current: u32, proposal: Option<u32>) -> u32 {
        let Some(proposal) = proposal else { return current };
        if self.proposals.is_empty() {
            // So that nothing goes down at once after a start.
            self.proposals.push((now, current));
        }
        let stable = self.stabilize(now, current, proposal);
        let allowed = match stable {
            stable if stable > current => stable.min(self.highest(now, current)),
            stable if stable < current => stable.max(self.lowest(now, current)),
            stable => stable,
        };
        allowed.clamp(self.behavior.min, self.behavior.max)
    }

    /// Notes a change that was carried out.
    pub fn changed(&mut self, now: f64, from: u32, to: u32) {
        match to.checked_sub(from) {
            Some(0) => {}
            Some(added) => self.added.push((now, added)),
            None => self.removed.push((now, from - to)),
        }
    }

    fn stabilize(&mut self, now: f64, current: u32, proposal: u32) -> u32 {
        let Behavior { up, down, .. } = &self.behavior;
        let longest = up.window.max(down.window);
        self.proposals.retain(|(time, _)| *time > now - longest);
        let since = |window: f64| self.proposals.iter().filter(move |(time, _)| *time > now - window).map(|(_, n)| *n);
        let lowest = since(up.window).fold(proposal, u32::min);
        let highest = since(down.window).fold(proposal, u32::max);
        self.proposals.push((now, proposal));
        current.max(lowest).min(highest)
    }

    fn highest(&mut self, now: f64, current: u32) -> u32 {
        let starts = self.starts(now, current, |behavior| &behavior.up);
        let limits = starts.map(|(start, change)| match change {
            Change::Pods(count) => start + count,
            Change::Percent(percent) => (start * (100 + percent)).div_ceil(100),
        });
        limits.max().unwrap_or(u32::MAX).max(current)
    }

    fn lowest(&mut self, now: f64, current: u32) -> u32 {
        let starts = self.starts(now, current, |behavior| &behavior.down);
        let limits = starts.map(|(start, change)| match change {
            Change::Pods(count) => start.saturating_sub(count),
            Change::Percent(percent) => start * (100 - percent.min(100)) / 100,
        });
        limits.min().unwrap_or(0).min(current)
    }

    /// For each policy the replicas at the beginning of its period, with what it allows.
    fn starts(
        &self,
        now: f64,
        current: u32,
        direction: impl Fn(&Behavior) -> &Direction,
    ) -> impl Iterator<Item = (u32, Change)> {
        direction(&self.behavior).policies.iter().map(move |policy| {
            let within = |changes: &[(f64, u32)]| -> u32 {
                changes.iter().filter(|(time, _)| *time > now - policy.period).map(|(_, count)| count).sum()
            };
            ((current + within(&self.removed)).saturating_sub(within(&self.added)), policy.change)
        })
    }
}
