//! Pods that come later hold their part: what is connected moves, slowly and of itself, and nobody misses anything.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gateway::{GatewayConfig, balance::BalanceTiming};
use scenarios::{
    Cluster, EventStream, Http2, Hub, Pod, TIMEOUT,
    cluster::event,
    hub::{DOORS, Transport},
    over_both_backplanes, until,
};
use signalr::{Encoding, Message};
use tokio::time::timeout;

over_both_backplanes! {
    a_pod_that_comes_later_gets_its_part_and_nobody_misses_anything,
    whoever_is_old_is_told_to_go_and_comes_back,
}

/// The pods by their addresses, each with the clients that it holds, as a load balancer knows them.
#[derive(Clone, Default)]
struct Balancer(Arc<Mutex<BTreeMap<String, usize>>>);

impl Balancer {
    fn add(&self, pod: &Pod) {
        self.0.lock().unwrap().insert(pod.url.clone(), 0);
    }

    /// The pod that holds the fewest, and one more from now on.
    fn connect(&self) -> String {
        let mut pods = self.0.lock().unwrap();
        let (url, held) = pods.iter_mut().min_by_key(|(_, held)| **held).unwrap();
        *held += 1;
        url.clone()
    }

    fn left(&self, url: &str) {
        *self.0.lock().unwrap().get_mut(url).unwrap() -= 1;
    }

    fn held(&self) -> Vec<usize> {
        self.0.lock().unwrap().values().copied().collect()
    }
}

/// The way a client listens.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Plain,
    Hub(Transport, Encoding),
}

const WIRES: [Wire; 4] = [
    Wire::Plain,
    Wire::Hub(Transport::WebSockets, Encoding::Json),
    Wire::Hub(Transport::ServerSentEvents, Encoding::Json),
    Wire::Hub(Transport::LongPolling, Encoding::Json),
];

/// Listens until the event `last`, coming back by its cursor as often as it is told to; what it has heard.
async fn listen(balancer: Balancer, wire: Wire, token: String, moves: Arc<AtomicUsize>) -> Vec<String> {
    let (mut heard, mut cursor) = (Vec::new(), "now".to_owned());
    loop {
        let url = balancer.connect();
        match wire {
            Wire::Plain => plain(&url, &token, &mut cursor, &mut heard).await,
            Wire::Hub(transport, encoding) => hub(&url, &token, (transport, encoding), &mut cursor, &mut heard).await,
        }
        if heard.last().is_some_and(|id| id == "last") {
            return heard;
        }
        balancer.left(&url);
        moves.fetch_add(1, Ordering::SeqCst);
    }
}

async fn plain(url: &str, token: &str, cursor: &mut String, heard: &mut Vec<String>) {
    let after = (cursor != "now").then_some(cursor.as_str());
    let mut browser = EventStream::connect(url, token, after).await;
    while let Some(frame) = browser.next_or_end().await {
        heard.push(frame.data["id"].as_str().unwrap().to_owned());
        if heard.last().is_some_and(|id| id == "last") {
            return;
        }
    }
    *cursor = browser.cursor;
}

async fn hub(url: &str, token: &str, door: (Transport, Encoding), cursor: &mut String, heard: &mut Vec<String>) {
    let mut client = Hub::connect(url, token, door, &format!("after={cursor}")).await;
    loop {
        match client.next().await {
            Some(Message::Invocation { target, arguments, .. }) if target == "event" => {
                *cursor = arguments[0]["cursor"].as_str().unwrap().to_owned();
                heard.push(arguments[0]["id"].as_str().unwrap().to_owned());
                if heard.last().is_some_and(|id| id == "last") {
                    return;
                }
            }
            Some(Message::Invocation { target, arguments, .. }) if target == "cursor" => {
                *cursor = arguments[0].as_str().unwrap().to_owned();
            }
            Some(Message::Close { error, allow_reconnect }) => {
                assert_eq!((error.as_deref(), allow_reconnect), (Some("draining"), true), "{door:?}");
                return;
            }
            other => panic!("{door:?}: {other:?}"),
        }
    }
}

async fn a_pod_that_comes_later_gets_its_part_and_nobody_misses_anything(cluster: Cluster) {
    const CLIENTS: usize = 60;
    // Longer than whoever is sent away takes to come back.
    let balance = BalanceTiming { interval: Duration::from_secs(1), slack: 2 };
    // Who is sent away at a heartbeat has shaken hands long before.
    let heartbeat = Duration::from_secs(2);
    // Nobody says anything for as long as it takes.
    let client_timeout = Duration::from_secs(3600);
    let config = GatewayConfig { rebalance: 20, balance, heartbeat, client_timeout, ..GatewayConfig::default() };
    let (one, two) = (cluster.pod_with(config.clone()).await, cluster.pod_with(config.clone()).await);
    let (balancer, moves) = (Balancer::default(), Arc::new(AtomicUsize::new(0)));
    [&one, &two].into_iter().for_each(|pod| balancer.add(pod));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let token = cluster.token(&format!("user{n}"), "prod");
            tokio::spawn(listen(balancer.clone(), WIRES[n % WIRES.len()], token, moves.clone()))
        })
        .collect();
    until("all are there", async || (balancer.held() == [30, 30]).then_some(())).await;
    let app = cluster.token("app", "prod");
    let (mut published, mut third) = (Vec::new(), None);
    // A client is heard from once it listens; from then on nothing is lost.
    let mut say = async |id: String| {
        one.publish(&app, &event(&id, "environment")).await;
        published.push(id);
    };
    for n in 0..20 {
        say(n.to_string()).await;
    }
    // While they came, one pod may have had more for a moment.
    let moved_before = moves.load(Ordering::SeqCst);
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    for n in 20.. {
        if third.is_none() {
            let pod = cluster.pod_with(config.clone()).await;
            balancer.add(&pod);
            third = Some(pod);
        }
        say(n.to_string()).await;
        let held = balancer.held();
        if held.iter().sum::<usize>() == CLIENTS && held.iter().all(|held| held.abs_diff(CLIENTS / 3) <= 2) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it does not even out: {held:?}");
    }
    let moved = moves.load(Ordering::SeqCst) - moved_before;
    assert!((15..=40).contains(&moved), "no storm, and no more than the third's part: {moved}");
    say("last".to_owned()).await;
    for client in clients {
        let heard = timeout(TIMEOUT, client).await.expect("it hears the last").unwrap();
        // Who began to listen after the first events has not heard those.
        let from = published.len() - heard.len();
        assert_eq!(heard, published[from..]);
        assert!(from <= 20, "{from}");
    }
    drop((two, third));
}

async fn whoever_is_old_is_told_to_go_and_comes_back(cluster: Cluster) {
    let most_age = Duration::from_millis(800);
    let pod = cluster.pod_with(GatewayConfig { most_age, ..GatewayConfig::default() }).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    for door in DOORS {
        let mut client = Hub::connect(&pod.url, &ada, door, "").await;
        assert_eq!(client.closed().await, (Some("draining".to_owned()), true), "{door:?}");
    }
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    assert_eq!(timeout(TIMEOUT, browser.next_or_end()).await.expect("it ends"), None);
    assert!(browser.retry.is_some_and(|pause| pause > 0));
    pod.publish(&app, &event("meanwhile", "user:ada")).await;
    let mut back = EventStream::connect(&pod.url, &ada, Some(&browser.cursor)).await;
    assert_eq!(back.next_ids(1).await, ["meanwhile"]);
    // A connection of HTTP/2 would lead it back to the same pod, so it ends with its stream.
    let http2 = Http2::connect(&pod.url).await;
    let mut tab = http2.events(&pod.url, &ada, None).await;
    assert_eq!(timeout(TIMEOUT, tab.next_or_end()).await.expect("it ends"), None);
    http2.ended().await;
}
