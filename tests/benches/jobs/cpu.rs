//! What processes have spent of the processor, user and system, as `/proc` tells it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// The clock ticks of a second on Linux.
const TICKS: f64 = 100.0;

/// The seconds of a process and of all that it has started, ended ones too.
pub(crate) fn of_tree(root: u32) -> f64 {
    let processes: HashMap<u32, Stat> = pids().filter_map(|pid| Some((pid, Stat::read(pid)?))).collect();
    let is_within = |mut pid: u32| loop {
        if pid == root {
            return true;
        }
        match processes.get(&pid) {
            Some(stat) if stat.parent > 1 => pid = stat.parent,
            _ => return false,
        }
    };
    let ticks: u64 = processes.iter().filter(|(pid, _)| is_within(**pid)).map(|(_, stat)| stat.ticks).sum();
    ticks as f64 / TICKS
}

/// The process that listens on a port of this machine; the first of several that share it.
pub(crate) fn listener(port: u16) -> u32 {
    let sockets: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|file| listening(file, port)).collect();
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| sockets.contains(&link))
    };
    pids().filter(holds).min().unwrap_or_else(|| panic!("nobody listens on port {port} of this machine"))
}

/// The sockets that listen on a port, by the names that processes know them by.
fn listening(file: &str, port: u16) -> Vec<PathBuf> {
    let table = fs::read_to_string(file).unwrap_or_default();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let here = rows.filter(|row| row[1].ends_with(&format!(":{port:04X}")) && row[3] == "0A");
    here.map(|row| PathBuf::from(format!("socket:[{}]", row[9]))).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let names = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok())
}

/// What is needed of a process's state.
struct Stat {
    parent: u32,
    /// Its own, and those of its children that have ended.
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
        // The name before may hold anything.
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let ticks = (11..15).filter_map(number).sum();
        Some(Self { parent: number(1)?.try_into().ok()?, ticks })
    }
}
