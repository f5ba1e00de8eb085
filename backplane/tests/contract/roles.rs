//! Each role's broker user can do its own work and is refused what is not its own.
//!
//! The users are made by the script that ships, so what is tested is what is run.

use std::process::Command;

use backplane::{
    Backplane, BackplaneConfig, ControlMessage, Destination, Link, LogReader, SendError, Settlement, open::DeclareError,
};
use model::{Job, PodId};
use tokio::sync::watch;

use crate::{
    broker,
    expect::{entry, ids, next, soon, up},
    fixtures::{event, job, long_ago},
    jobs::job_of,
    world::Rabbit,
};

/// The users of an environment, with one password for all; they are deleted with this value.
struct Users {
    rabbit: Rabbit,
    environment: &'static str,
}

const PASSWORD: &str = "a test's own";

impl Users {
    async fn of(rabbit: &Rabbit, environment: &'static str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/rabbitmq/roles.sh");
        let mut roles = Command::new(script);
        roles.args(["--import", environment]).env("BELLWIRE_PREFIX", rabbit.name()).env("BELLWIRE_PASSWORDS", "");
        if environment != "everywhere" {
            roles.args(["imports", "reports"]);
        }
        for role in ["TOPOLOGY", "GATEWAY", "WORKER", "PUBLISHER", "OPERATOR", "SCALER", "EVERYWHERE"] {
            roles.env(format!("BELLWIRE_{role}_PASSWORD"), PASSWORD);
        }
        roles.env("RABBITMQCTL", broker::rabbitmqctl_words());
        let imported = roles.output().unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        Self { rabbit: rabbit.clone(), environment }
    }

    /// The broker's address for one of them.
    fn url(&self, role: &str) -> String {
        let mut url = url::Url::parse(&broker::url()).unwrap();
        url.set_username(&self.user(role)).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        url.into()
    }

    fn user(&self, role: &str) -> String {
        let (prefix, environment) = (self.rabbit.name(), self.environment);
        if role.is_empty() { format!("{prefix}.{environment}") } else { format!("{prefix}.{environment}.{role}") }
    }

    /// The backplane of an environment, as one of them.
    fn open(&self, role: &str, environment: &str) -> Backplane {
        self.rabbit.open(&self.url(role), environment)
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let listed = broker::rabbitmqctl(&["list_users"]).output().unwrap();
        let own = self.user("");
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let user = line.split('\t').next().unwrap();
            if user == own || user.starts_with(&format!("{own}.")) {
                // What cannot be deleted must not hide why the test failed.
                broker::rabbitmqctl(&["delete_user", user]).output().ok();
            }
        }
    }
}

/// Declares environments with everything, as the operator.
async fn declare(rabbit: &Rabbit, environments: &[&str]) {
    for name in environments {
        rabbit.open(&broker::url(), name);
        let kinds = ["imports", "reports"].map(|kind| kind.parse().unwrap());
        Backplane::declare(&config(rabbit, broker::url()), &name.parse().unwrap(), &kinds).await.unwrap();
    }
}

fn config(rabbit: &Rabbit, url: String) -> BackplaneConfig {
    BackplaneConfig { url, prefix: rabbit.prefix.clone(), ..Default::default() }
}

async fn refused_publish(plane: &Backplane, to: Destination, exchange: &str) {
    let error = plane.log.publish(to, &event("not mine")).await.unwrap_err();
    let wanted = format!("ask your operator: this user may not write to {exchange}");
    assert_eq!(error, SendError::Refused(wanted));
}

async fn refused_link(link: &mut watch::Receiver<Link>) {
    let refused = link.wait_for(|link| matches!(link, Link::Down(why) if why.contains("ACCESS_REFUSED")));
    soon("a refusal", refused).await.unwrap();
}

async fn reads_own_log(plane: &Backplane) -> LogReader {
    let mut reader = plane.log.read(long_ago());
    plane.log.publish(Destination::Own, &event("mine")).await.unwrap();
    assert_eq!(ids(&mut reader, 1).await, ["mine"]);
    reader
}

async fn hears_its_words(plane: &Backplane, pod: &PodId) {
    let mut reader = plane.control.subscribe(pod);
    up(&mut reader.link).await;
    plane.control.send(&ControlMessage { from: pod.clone(), to: None, body: "hello".into() }).await.unwrap();
    assert_eq!(soon("a word", reader.messages.recv()).await.unwrap().body, "hello");
}

#[tokio::test]
async fn the_topology_user_declares_its_environment_but_not_everywhere_and_no_other() {
    Rabbit::run(async |rabbit| {
        let users = Users::of(&rabbit, "prod").await;
        let config = config(&rabbit, users.url("topology"));
        let (prod, kinds) = ("prod".parse().unwrap(), ["imports".parse().unwrap()]);
        let error = Backplane::declare(&config, &prod, &kinds).await.unwrap_err();
        let everywhere = rabbit.topology("prod").everywhere();
        let wanted = format!("ask your operator: {everywhere} is missing and this user may not declare it");
        assert_eq!(error, DeclareError::Broker(SendError::Refused(wanted)));
        declare(&rabbit, &["other"]).await;
        Backplane::declare(&config, &prod, &kinds).await.unwrap();
        Backplane::declare(&config, &prod, &kinds).await.unwrap();
        let error = Backplane::declare(&config, &"test".parse().unwrap(), &kinds).await.unwrap_err();
        assert!(error.to_string().contains("ask your operator"), "{error}");
        reads_own_log(&users.open("gateway", "prod")).await;
    })
    .await;
}

#[tokio::test]
async fn a_gateway_does_its_work_and_is_refused_the_rest() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod", "test"]).await;
        let users = Users::of(&rabbit, "prod").await;
        let plane = users.open("gateway", "prod");
        let _reader = reads_own_log(&plane).await;
        hears_its_words(&plane, &PodId::gateway()).await;
        plane.jobs.submit(&job("imports")).await.unwrap();
        let mut lease = plane.scheduling.apply();
        soon("the lease", lease.held.wait_for(|held| *held)).await.unwrap();

        refused_publish(&plane, Destination::Everywhere, &rabbit.topology("prod").everywhere()).await;
        refused_link(&mut plane.jobs.consume(&"imports".parse().unwrap(), 1).link).await;
        refused_link(&mut plane.control.subscribe(&PodId::worker()).link).await;
        in_another_environment_it_can_nothing(&users, "gateway").await;
        // What was refused did not take its own work with it.
        plane.log.publish(Destination::Own, &event("still")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_worker_does_its_work_and_is_refused_the_rest() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod", "test"]).await;
        let users = Users::of(&rabbit, "prod").await;
        let plane = users.open("worker.imports", "prod");
        let _reader = reads_own_log(&plane).await;
        let mut jobs = plane.jobs.consume(&"imports".parse().unwrap(), 1);
        users.open("gateway", "prod").jobs.submit(&job("imports")).await.unwrap();
        let taken = next(&mut jobs).await;
        let again = Job { attempts: 1, ..taken.job.clone().unwrap() };
        let retry = Settlement::Retry { job: again, after: std::time::Duration::ZERO };
        taken.settle.settle(retry).await.unwrap();
        next(&mut jobs).await.settle.settle(Settlement::Dead { reason: "a test".to_owned() }).await.unwrap();
        for backlog in [1, 4, 32] {
            users.open("gateway", "prod").jobs.submit(&job_of("ada", backlog)).await.unwrap();
            next(&mut jobs).await.settle.settle(Settlement::Done).await.unwrap();
        }

        refused_publish(&plane, Destination::Everywhere, &rabbit.topology("prod").everywhere()).await;
        refused_link(&mut plane.jobs.consume(&"reports".parse().unwrap(), 1).link).await;
        // Control messages are between gateways.
        for pod in [PodId::gateway(), PodId::worker()] {
            refused_link(&mut plane.control.subscribe(&pod).link).await;
        }
        let word = ControlMessage { from: PodId::gateway(), to: None, body: "not mine".into() };
        assert!(matches!(plane.control.send(&word).await, Err(SendError::Refused(_))));
        in_another_environment_it_can_nothing(&users, "worker.imports").await;
    })
    .await;
}

#[tokio::test]
async fn a_publisher_publishes_as_a_publisher_and_can_nothing_else() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod", "test"]).await;
        let users = Users::of(&rabbit, "prod").await;
        let plane = users.open("publisher", "prod");
        plane.log.publish(Destination::Publishers, &event("mine")).await.unwrap();
        let mut reader = users.open("gateway", "prod").log.read(long_ago());
        let entry = entry(&mut reader).await;
        assert_eq!((entry.origin, entry.event.unwrap().id.as_str()), (Destination::Publishers, "mine"));

        let topology = rabbit.topology("prod");
        refused_publish(&plane, Destination::Own, &topology.exchange()).await;
        refused_publish(&plane, Destination::Everywhere, &topology.everywhere()).await;
        refused_publish(
            &users.open("publisher", "test"),
            Destination::Publishers,
            &rabbit.topology("test").publishers(),
        )
        .await;
        let error = plane.jobs.submit(&job("imports")).await.unwrap_err();
        assert!(matches!(error, SendError::Refused(_)), "{error}");
        refused_link(&mut plane.log.read(long_ago()).link).await;
        refused_link(&mut plane.jobs.consume(&"imports".parse().unwrap(), 1).link).await;
        refused_link(&mut plane.control.subscribe(&PodId::gateway()).link).await;
        in_another_environment_it_can_nothing(&users, "publisher").await;
    })
    .await;
}

#[tokio::test]
async fn a_message_larger_than_any_of_ours_is_refused_by_the_broker() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod"]).await;
        let (users, exchange) = (Users::of(&rabbit, "prod").await, rabbit.topology("prod").publishers());
        let publish = |bytes: usize| {
            let (url, exchange) = (users.url("publisher"), exchange.clone());
            async move { broker::try_publish(&url, &exchange, "", &vec![b'x'; bytes]).await }
        };
        assert!(publish(200 * 1024).await.unwrap().is_ack());
        let refused = publish(300 * 1024).await.unwrap_err().to_string();
        assert!(refused.contains("message size"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn an_environment_without_an_exchange_for_publishers_goes_on_without_it() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod"]).await;
        broker::delete_exchange(&rabbit.topology("prod").publishers()).await;
        let users = Users::of(&rabbit, "prod").await;
        let _gateway = reads_own_log(&users.open("gateway", "prod")).await;
        declare(&rabbit, &["prod"]).await;
        let publisher = users.open("publisher", "prod");
        publisher.log.publish(Destination::Publishers, &event("mine")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_operator_retries_and_drops_the_dead_and_is_refused_the_rest() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod", "test"]).await;
        let (users, kind) = (Users::of(&rabbit, "prod").await, "imports".parse().unwrap());
        let worker = users.open("worker.imports", "prod");
        let mut jobs = worker.jobs.consume(&kind, 1);
        let (one, two) = (job("imports"), job("imports"));
        for job in [&one, &two] {
            users.open("gateway", "prod").jobs.submit(job).await.unwrap();
            next(&mut jobs).await.settle.settle(Settlement::Dead { reason: "a test".to_owned() }).await.unwrap();
        }
        let plane = users.open("operator", "prod");
        let dead = plane.jobs.dead(&kind);
        assert_eq!(dead.list(0, 10).await.unwrap().len(), 2);
        assert_eq!(dead.retry(&one.task.to_string()).await, Ok(true));
        assert_eq!(next(&mut jobs).await.job, Ok(one));
        assert_eq!(dead.discard(&two.task.to_string()).await, Ok(true));
        assert_eq!(plane.jobs.depth(&kind).await.unwrap().dead, 0);

        refused_publish(&plane, Destination::Own, &rabbit.topology("prod").exchange()).await;
        refused_link(&mut plane.log.read(long_ago()).link).await;
        refused_link(&mut plane.jobs.consume(&kind, 1).link).await;
        in_another_environment_it_can_nothing(&users, "operator").await;
    })
    .await;
}

#[tokio::test]
async fn the_dead_are_the_operators_alone() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod", "test"]).await;
        let (users, kind) = (Users::of(&rabbit, "prod").await, "imports".parse().unwrap());
        for (role, environment) in [("gateway", "prod"), ("worker.imports", "prod"), ("operator", "test")] {
            let plane = users.open(role, environment);
            if environment == "prod" {
                plane.jobs.depth(&kind).await.unwrap();
            }
            let topology = rabbit.topology(environment);
            let queue = topology.queue_of(&topology.dead_key(&kind));
            let wanted = format!("ask your operator: this user may not read {queue}");
            assert_eq!(plane.jobs.dead(&kind).list(0, 1).await, Err(SendError::Refused(wanted)), "{role}");
        }
    })
    .await;
}

async fn in_another_environment_it_can_nothing(users: &Users, role: &str) {
    let topology = users.rabbit.topology("test");
    let plane = users.open(role, "test");
    refused_publish(&plane, Destination::Own, &topology.exchange()).await;
    refused_link(&mut plane.log.read(long_ago()).link).await;
    refused_link(&mut plane.jobs.consume(&"imports".parse().unwrap(), 1).link).await;
    refused_link(&mut plane.control.subscribe(&PodId::gateway()).link).await;
    let error = plane.jobs.submit(&job("imports")).await.unwrap_err();
    assert!(matches!(error, SendError::Refused(_)), "{error}");
    // Round the exchanges: the default one opens every queue to whoever may write to it.
    let error = broker::try_publish(&users.url(role), "", &topology.stream(), b"{}").await.unwrap_err();
    assert!(error.to_string().contains("ACCESS_REFUSED"), "{error}");
}

#[tokio::test]
async fn who_speaks_to_everywhere_can_nothing_else() {
    Rabbit::run(async |rabbit| {
        declare(&rabbit, &["prod", "test"]).await;
        let users = Users::of(&rabbit, "everywhere").await;
        let plane = users.open("", "prod");
        plane.log.publish(Destination::Everywhere, &event("to all")).await.unwrap();
        for name in ["prod", "test"] {
            let mut reader = rabbit.open(&broker::url(), name).log.read(long_ago());
            assert_eq!(ids(&mut reader, 1).await, ["to all"]);
        }
        refused_publish(&plane, Destination::Own, &rabbit.topology("prod").exchange()).await;
        refused_link(&mut plane.log.read(long_ago()).link).await;
    })
    .await;
}
