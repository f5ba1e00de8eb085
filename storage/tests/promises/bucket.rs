//! What is promised of a bucket besides: errors at the start that name what is wrong, a server that goes away and comes back, keys
//! that change, and links.

use std::{
    fs,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{TryStreamExt, poll};
use storage::{FileKey, OwnerFiles, Storage, StorageConfig, StorageError, Unusable};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    relay::Relay,
    stages::{bucket, given},
};

/// More than two parts.
const LARGE: usize = 12_000_000;

fn ada(storage: &Storage) -> OwnerFiles {
    storage.files(&"prod".parse().unwrap(), "ada")
}

fn key(text: &str) -> FileKey {
    text.parse().unwrap()
}

async fn put(files: &OwnerFiles, at: &str, content: impl Into<Bytes>) -> Result<(), StorageError> {
    let mut upload = files.put(key(at)).await?;
    upload.write(content.into()).await?;
    upload.finish().await.map(drop)
}

async fn get(files: &OwnerFiles, at: &str) -> Result<Vec<u8>, StorageError> {
    files.get(&key(at)).await?.content.map_ok(|piece| piece.to_vec()).try_concat().await
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "it did not come about: {what}");
        tokio::task::yield_now().await;
    }
}

async fn wrong(config: StorageConfig) -> String {
    match Storage::open(&config).unwrap().check().await {
        Err(Unusable::Wrong(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_at_the_start() {
    Storage::open(&bucket()).unwrap().check_at_start().await.unwrap();
    let unknown = wrong(StorageConfig { url: "s3://nobodys/files".to_owned(), ..bucket() }).await;
    assert!(unknown.starts_with("storage.url (BELLWIRE_STORAGE__URL): the bucket nobodys is not there"), "{unknown}");
    let keys = |id: Option<String>, secret: &str| StorageConfig {
        credentials_file: None,
        access_key_id: Some(id.unwrap_or_else(|| "AKIAUNKNOWN".to_owned())),
        secret_access_key: Some(secret.into()),
        ..bucket()
    };
    let nobody = wrong(keys(None, "it-is-secret")).await;
    assert!(nobody.contains("the bucket bellwire is not opened to these keys"), "{nobody}");
    assert!(nobody.contains("InvalidAccessKeyId") && !nobody.contains("it-is-secret"), "{nobody}");
    let file = fs::read_to_string(given("BELLWIRE_TEST_S3_KEYS")).unwrap();
    let id = file.lines().find_map(|line| line.strip_prefix("aws_access_key_id = ")).unwrap().to_owned();
    let mistyped = wrong(keys(Some(id), "it-is-secret")).await;
    assert!(mistyped.contains("SignatureDoesNotMatch") && !mistyped.contains("it-is-secret"), "{mistyped}");
}

#[tokio::test]
async fn nothing_is_asked_outside_of_the_prefix() {
    let relay = Relay::to(&given("BELLWIRE_TEST_S3_URL")).await;
    let config = StorageConfig { endpoint: Some(relay.url.clone()), ..bucket() };
    let prefix = config.url.rsplit_once('/').unwrap().1.to_owned();
    let storage = Storage::open(&config).unwrap();
    storage.check().await.unwrap();
    put(&ada(&storage), "a/x", "x").await.unwrap();
    let lists: Vec<_> = relay.asked().into_iter().filter(|line| line.contains("list-type")).collect();
    assert!(lists.len() == 2 && lists.iter().all(|line| line.contains(&format!("prefix={prefix}%2F"))), "{lists:?}");
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_an_error_and_not_a_file_that_is_not_there() {
    let storage = Storage::open(&StorageConfig { url: "s3://nobodys/files".to_owned(), ..bucket() }).unwrap();
    let files = ada(&storage);
    let state = storage.schedules(&"prod".parse().unwrap()).state().await;
    let mut upload = files.put_beyond_quota(key("a/x")).await.unwrap();
    upload.write(Bytes::from_static(b"x")).await.unwrap();
    for outcome in [get(&files, "a/x").await.map(drop), state.map(drop), upload.finish().await.map(drop)] {
        assert!(matches!(&outcome, Err(StorageError::Failed(why)) if why.contains("NoSuchBucket")), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_no_part_behind() {
    let relay = Relay::to(&given("BELLWIRE_TEST_S3_URL")).await;
    let storage = Storage::open(&StorageConfig { endpoint: Some(relay.url.clone()), ..bucket() }).unwrap();
    let files = ada(&storage);
    let mut upload = files.put(key("a/x")).await.unwrap();
    upload.write(Bytes::from(vec![1; LARGE])).await.unwrap();
    drop(upload);
    let mut begun = None;
    let id_in = |line: &String| Some(line.split_once("uploadId=")?.1.split(['&', ' ']).next()?.to_owned());
    until("the upload is ended", async || {
        let asked = relay.asked();
        let ended = asked.iter().find(|line| line.starts_with("DELETE ")).and_then(id_in);
        begun =
            ended.filter(|id| asked.iter().any(|line| line.starts_with("PUT ") && id_in(line).as_ref() == Some(id)));
        begun.is_some()
    })
    .await;
    let (begun, uploads) = (begun.unwrap(), format!("{}/bellwire?uploads", given("BELLWIRE_TEST_GS_URL")));
    until("no part is left", async || {
        let left = reqwest::get(&uploads).await.unwrap().error_for_status().unwrap().text().await.unwrap();
        assert!(left.contains("ListMultipartUploadsResult"), "{left}");
        !left.contains(&begun)
    })
    .await;
    assert!(matches!(get(&files, "a/x").await, Err(StorageError::NotFound(_))));
}

#[tokio::test]
async fn so_many_large_uploads_are_held_at_once_and_small_ones_besides() {
    let files = ada(&Storage::open(&bucket()).unwrap());
    let large = || Bytes::from(vec![1; 1_100_000]);
    let mut held = Vec::new();
    for number in 0..32 {
        let mut upload = files.put(key(&format!("a/{number}"))).await.unwrap();
        upload.write(large()).await.unwrap();
        held.push(upload);
    }
    let mut upload = files.put(key("a/one-more")).await.unwrap();
    let mut write = Box::pin(upload.write(large()));
    assert!(poll!(&mut write).is_pending());
    put(&files, "a/small", "x").await.unwrap();
    assert!(poll!(&mut write).is_pending());
    held.pop();
    write.await.unwrap();
    upload.finish().await.unwrap();
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_in_time_and_all_goes_on_once_it_is_back() {
    let relay = Relay::to(&given("BELLWIRE_TEST_S3_URL")).await;
    let storage = Storage::open(&StorageConfig { endpoint: Some(relay.url.clone()), ..bucket() }).unwrap();
    let files = ada(&storage);
    put(&files, "a/old", "old").await.unwrap();
    let mut upload = files.put(key("a/x")).await.unwrap();
    upload.write(Bytes::from(vec![1; LARGE])).await.unwrap();
    relay.cut(true);
    let begun = Instant::now();
    let broken = upload.finish().await;
    assert!(matches!(broken, Err(StorageError::Failed(_))), "{broken:?}");
    assert!(matches!(get(&files, "a/old").await, Err(StorageError::Failed(_))));
    assert!(matches!(put(&files, "a/new", "new").await, Err(StorageError::Failed(_))));
    let away = storage.check().await;
    assert!(matches!(away, Err(Unusable::Away(_))), "{away:?}");
    // It may come back: nobody is kept from starting.
    storage.check_at_start().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    relay.cut(false);
    storage.check().await.unwrap();
    assert_eq!(get(&files, "a/old").await.unwrap(), b"old");
    assert!(matches!(get(&files, "a/x").await, Err(StorageError::NotFound(_))));
    let content: Vec<u8> = (0..LARGE).map(|at| (at / 7) as u8).collect();
    put(&files, "a/x", content.clone()).await.unwrap();
    assert!(get(&files, "a/x").await.unwrap() == content);
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_not_sent_again_over_what_was_stored_since() {
    let relay = Relay::to(&given("BELLWIRE_TEST_S3_URL")).await;
    let config = bucket();
    let over_relay = StorageConfig { endpoint: Some(relay.url.clone()), ..config.clone() };
    let within = Duration::from_secs(15);
    let (slow, files) = (Storage::open(&over_relay).unwrap().answering_within(within), Storage::open(&config).unwrap());
    let (slow, files) = (ada(&slow), ada(&files));
    for method in ["PUT ", "POST "] {
        put(&files, "a/x", "old").await.unwrap();
        relay.swallow(method);
        let slow = slow.clone();
        let given_up = tokio::spawn(async move {
            match method {
                "PUT " => put(&slow, "a/x", "late").await,
                // How S3 is told to delete.
                _ => slow.delete(&key("a/x")).await,
            }
        });
        relay.swallowed().await;
        given_up.abort();
        put(&files, "a/x", "new").await.unwrap();
        // Before the next try would come.
        timeout(Duration::from_secs(10), relay.given_up()).await.expect("its connection is closed");
        assert_eq!(get(&files, "a/x").await.unwrap(), b"new");
        assert_eq!(relay.asked().iter().filter(|line| line.starts_with(method)).count(), 1, "{:?}", relay.asked());
    }
}

#[tokio::test]
async fn keys_that_change_are_taken_without_a_restart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keys");
    let right = fs::read_to_string(given("BELLWIRE_TEST_S3_KEYS")).unwrap();
    fs::write(
        &file,
        "[default]\naws_access_key_id = OLD\naws_secret_access_key = old\n[other]\naws_access_key_id = x\n",
    )
    .unwrap();
    let storage = Storage::open(&StorageConfig { credentials_file: Some(file.clone()), ..bucket() }).unwrap();
    assert!(matches!(storage.check().await, Err(Unusable::Wrong(_))));
    fs::write(&file, &right).unwrap();
    storage.check().await.unwrap();
    // In the midst of being replaced.
    fs::write(&file, "[default]\n").unwrap();
    storage.check().await.unwrap();
    fs::remove_file(&file).unwrap();
    put(&ada(&storage), "a/x", "x").await.unwrap();
}

/// The bucket over TLS, with links.
fn linking(links: Duration) -> StorageConfig {
    StorageConfig {
        endpoint: Some(given("BELLWIRE_TEST_S3_TLS_URL")),
        ca_file: Some(given("BELLWIRE_TEST_S3_CA").into()),
        signed_links: links,
        ..bucket()
    }
}

fn browser() -> reqwest::Client {
    let ca = fs::read(given("BELLWIRE_TEST_S3_CA")).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).build().unwrap()
}

#[tokio::test]
async fn a_link_is_to_one_file_for_a_while_and_tells_browsers_to_save_it() {
    let storage = Storage::open(&linking(Duration::from_secs(300))).unwrap();
    let files = ada(&storage);
    // In one request, and in parts.
    for (at, bytes) in [("a/50% ö?#.csv", 3), ("a/large.csv", LARGE)] {
        put(&files, at, vec![7; bytes]).await.unwrap();
        let link = files.link(&key(at)).await.unwrap().unwrap();
        let answer = browser().get(&link).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{at}");
        let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-disposition").starts_with("attachment; filename*=UTF-8''"), "{at}");
        assert_eq!(header("content-type"), "application/octet-stream");
        assert_eq!(answer.bytes().await.unwrap(), vec![7; bytes]);
    }
    let link = files.link(&key("a/large.csv")).await.unwrap().unwrap();
    let other = link.replace("large.csv", "other.csv");
    put(&files, "a/other.csv", "x").await.unwrap();
    let answer = browser().get(&other).send().await.unwrap();
    assert_eq!(answer.status(), 403, "{}", answer.text().await.unwrap());
    let missing = files.link(&key("a/none")).await;
    assert!(matches!(missing, Err(StorageError::NotFound(_))), "{missing:?}");
    let origin = storage.link_origin().await.unwrap();
    assert_eq!(origin, given("BELLWIRE_TEST_S3_TLS_URL"));
    // No links unless they are asked for.
    let without = Storage::open(&linking(Duration::ZERO)).unwrap();
    assert_eq!((ada(&without).link(&key("a/large.csv")).await.unwrap(), without.link_origin().await), (None, None));
}

#[tokio::test]
async fn what_others_have_put_into_the_bucket_is_saved_by_browsers_as_well() {
    let config = linking(Duration::from_secs(300));
    let files = ada(&Storage::open(&config).unwrap());
    let prefix = config.url.rsplit_once('/').unwrap().1;
    let place = format!("{}/bellwire/{prefix}/prod/ada/a/page.html", given("BELLWIRE_TEST_GS_URL"));
    let page = browser().put(place).header("content-type", "text/html").body("<script>alert(1)</script>");
    assert_eq!(page.send().await.unwrap().status(), 200);
    let link = files.link(&key("a/page.html")).await.unwrap().unwrap();
    let answer = browser().get(&link).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename*=UTF-8''page%2Ehtml");
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
}

#[tokio::test]
async fn a_link_ends() {
    let files = ada(&Storage::open(&linking(Duration::from_secs(2))).unwrap());
    put(&files, "a/x", "x").await.unwrap();
    let (browser, mut link) = (browser(), String::new());
    until("a link is taken", async || {
        link = files.link(&key("a/x")).await.unwrap().unwrap();
        browser.get(&link).send().await.unwrap().status() == 200
    })
    .await;
    until("the link has ended", async || browser.get(&link).send().await.unwrap().status() == 403).await;
}

#[tokio::test]
async fn a_bucket_of_google_is_asked_in_its_words() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("account.json");
    // As the emulators of it want it: no token is fetched.
    fs::write(&file, r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#).unwrap();
    let prefix = bucket().url.replace("s3:", "gs:");
    let config = StorageConfig {
        url: prefix,
        endpoint: Some(given("BELLWIRE_TEST_GS_URL")),
        credentials_file: Some(file),
        ..StorageConfig::default()
    };
    let storage = Storage::open(&config).unwrap();
    storage.check().await.unwrap();
    let files = ada(&storage);
    for (at, bytes) in [("a/small.csv", 3), ("a/large.csv", LARGE)] {
        put(&files, at, vec![7; bytes]).await.unwrap();
        assert!(get(&files, at).await.unwrap() == vec![7; bytes], "{at}");
    }
    assert_eq!(files.keys_of("a").await.unwrap().len(), 2);
    files.delete(&key("a/small.csv")).await.unwrap();
    assert!(matches!(get(&files, "a/small.csv").await, Err(StorageError::NotFound(_))));
    let unknown = wrong(StorageConfig { url: "gs://nobodys".to_owned(), ..config }).await;
    assert!(unknown.starts_with("storage.url (") && unknown.contains("nobodys"), "{unknown}");
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_here_knows_is_not_spoken_to() {
    let storage = Storage::open(&StorageConfig { ca_file: None, ..linking(Duration::ZERO) }).unwrap();
    match storage.check().await {
        Err(Unusable::Away(reason)) => assert!(reason.contains("certificate"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
