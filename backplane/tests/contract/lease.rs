//! What the lease of an environment's schedules promises.

use backplane::{Backplane, Lease, topology::Topology};
use tokio::time::{Duration, timeout};

use crate::{
    broker,
    expect::soon,
    network_proxy::relay_to,
    world::{Rabbit, World, over_both},
};

over_both!(one_process_has_it_and_another_gets_it_when_that_is_gone, each_environment_has_its_own,);

async fn held(lease: &mut Lease) {
    soon("the lease", lease.held.wait_for(|held| *held)).await.expect("its task lives");
}

/// Those of these that have it.
fn holders(leases: &[Lease]) -> Vec<usize> {
    (0..leases.len()).filter(|at| *leases[*at].held.borrow()).collect()
}

/// The one that has it, once one of them has.
async fn holder(leases: &[Lease]) -> usize {
    soon("a holder", async {
        loop {
            if let [only] = holders(leases)[..] {
                return only;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

async fn one_process_has_it_and_another_gets_it_when_that_is_gone(world: World) {
    let planes: Vec<Backplane> = (0..5).map(|_| world.environment("prod")).collect();
    let mut leases: Vec<_> = planes.iter().map(|plane| plane.scheduling.apply()).collect();
    while leases.len() > 1 {
        let first = holder(&leases).await;
        // Long enough for all to have sent their messages.
        let other = timeout(Duration::from_millis(200), async {
            while holders(&leases) == [first] {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(other.await.is_err(), "{:?} have it", holders(&leases));
        drop(leases.remove(first));
    }
    held(&mut leases[0]).await;
}

async fn each_environment_has_its_own(world: World) {
    let (prod, test) = (world.environment("prod"), world.environment("test"));
    let (mut one, mut other) = (prod.scheduling.apply(), test.scheduling.apply());
    held(&mut one).await;
    held(&mut other).await;
}

#[tokio::test]
async fn a_queue_that_nobody_has_bound_is_bound_by_whoever_applies() {
    Rabbit::run(async |rabbit| {
        let (plane, topology) = (rabbit.open(&broker::url(), "prod"), rabbit.topology("prod"));
        held(&mut plane.scheduling.apply()).await;
        // As if whoever made the queue had been killed before it was bound.
        broker::unbind_and_empty(&topology.queue_of(Topology::LEASE_KEY), &topology.jobs(), Topology::LEASE_KEY).await;
        held(&mut plane.scheduling.apply()).await;
    })
    .await;
}

#[tokio::test]
async fn a_process_that_is_gone_at_whatever_moment_keeps_it_from_nobody() {
    Rabbit::run(async |rabbit| {
        // At each step of getting it, from connecting to holding it, and a while after.
        for milliseconds in (0..120).step_by(2) {
            let mut gone = rabbit.open(&broker::url(), "prod").scheduling.apply();
            let _ = timeout(Duration::from_millis(milliseconds), gone.held.wait_for(|held| *held)).await;
        }
        let mut last = rabbit.open(&broker::url(), "prod").scheduling.apply();
        held(&mut last).await;
    })
    .await;
}

#[tokio::test]
async fn a_process_whose_network_is_cut_has_it_no_more_and_gets_in_line_again() {
    Rabbit::run(async |rabbit| {
        let proxy = relay_to(&broker::url()).await;
        let mut cut_off = rabbit.open(&proxy.through(&broker::url()), "prod").scheduling.apply();
        held(&mut cut_off).await;
        let mut other = rabbit.open(&broker::url(), "prod").scheduling.apply();
        proxy.cut();
        held(&mut other).await;
        soon("its loss", cut_off.held.wait_for(|held| !*held)).await.unwrap();
        proxy.restore();
        drop(other);
        held(&mut cut_off).await;
    })
    .await;
}
