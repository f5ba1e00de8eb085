//! The memory and processor time of another process, as Linux tells them.

use std::{fs, time::Duration};

use anyhow::Context;

/// Bytes of its memory that are resident.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes = line.trim().strip_suffix(" kB").context("VmRSS is not in kB")?;
    Ok(kilobytes.trim().parse::<u64>()? * 1024)
}

/// The processor time that it has taken, in user and in system mode, to the clock tick.
pub fn processor(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(") ").context("no name")?.1;
    let ticks =
        |place: usize| -> anyhow::Result<u64> { Ok(fields.split(' ').nth(place).context("too few fields")?.parse()?) };
    // utime and stime, fields 14 and 15 of proc(5), counted from the third.
    let ticks = ticks(11)? + ticks(12)?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_and_holds_memory_is_seen_to() {
        let pid = std::process::id();
        let (resident_before, processor_before) = (resident(pid).unwrap(), processor(pid).unwrap());
        let held = vec![1_u8; 64 << 20];
        assert!(resident(pid).unwrap() >= resident_before + (60 << 20));
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while begun.elapsed() < Duration::from_millis(100) {
            sum = held.iter().step_by(4096).fold(sum, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
        }
        assert!(sum > 0 && processor(pid).unwrap() >= processor_before + Duration::from_millis(30));
    }
}
