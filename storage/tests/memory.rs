//! Alone in its process, because it measures that process's memory.
#![allow(clippy::unwrap_used)]

use std::fs;

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage::{Storage, StorageConfig};
use tempfile::TempDir;

/// The most memory this process has held, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_file_of_50_mb_comes_back_as_it_was_at_constant_memory() {
    let folder = TempDir::new().unwrap();
    let storage = Storage::open(&StorageConfig::at(format!("file:{}", folder.path().display()))).unwrap();
    let files = storage.files(&"prod".parse().unwrap(), "ada");
    let before = peak_memory();
    let mut upload = files.put("01JD/big.bin".parse().unwrap()).await.unwrap();
    for block in 0..800_u32 {
        upload.write(Bytes::from(vec![block as u8; 65_536])).await.unwrap();
    }
    let stored = upload.finish().await.unwrap();
    assert_eq!(stored.bytes, 800 * 65_536);
    assert!(folder.path().join("prod/ada/01JD/big.bin").is_file());

    let download = files.get(&stored.key).await.unwrap();
    assert_eq!(download.bytes, stored.bytes);
    let mut content = download.content;
    let mut at = 0_usize;
    while let Some(piece) = content.try_next().await.unwrap() {
        for byte in piece {
            assert_eq!(byte, (at / 65_536) as u8);
            at += 1;
        }
    }
    assert_eq!(at as u64, stored.bytes);
    let grown = peak_memory() - before;
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
}
