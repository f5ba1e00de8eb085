//! A CSV of any number of rows, always the same.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

const HEADER: &str = "id,customer,zip,city,amount,discount,quantity,weight,paid,day,at,note";

/// Writes so many rows of orders: numbers, dates, words, quotes, and fields that are empty.
pub(crate) fn write(path: &Path, rows: u64) -> io::Result<()> {
    const CITIES: [&str; 6] = ["New York", "São Paulo", "Köln", "Springfield", "Saint-Étienne", "Los Angeles"];
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(file, "{HEADER}")?;
    let mut state = 42_u64;
    for id in 1..=rows {
        // Knuth's multiplier: it need not be good, only the same each time.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = state >> 33;
        let (city, day, hour) = (CITIES[(random % 6) as usize], random % 28 + 1, random % 24);
        let (cents, month) = (random % 100, random % 12 + 1);
        write!(file, "{id},customer-{},{:05},{city},{}.{cents:02},", random % 50_000, random % 99_999, random % 1000)?;
        match random % 4 {
            0 => write!(file, ",")?,
            _ => write!(file, "0.{cents:02},")?,
        }
        let (quantity, grams) = (random % 9 + 1, random % 40_000);
        write!(file, "{quantity},{}.{:03},", grams / 1000, grams % 1000)?;
        write!(
            file,
            "{},2026-{month:02}-{day:02},2026-{month:02}-{day:02} {hour:02}:15:00,",
            random.is_multiple_of(2)
        )?;
        match random % 5 {
            0 => writeln!(file)?,
            1 => writeln!(file, "\"a note, with a \"\"quoted\"\" word\"")?,
            _ => writeln!(file, "a note about order {id}")?,
        }
    }
    file.into_inner()?.sync_all()
}

/// Forgets the most memory this process has held so far.
pub(crate) fn forget_peak_memory() {
    // Where it may not, the figure is the whole process's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process has held, in MiB.
pub(crate) fn peak_memory() -> u64 {
    peak_memory_of("self")
}

/// The most memory that a process has held, in MiB.
pub(crate) fn peak_memory_of(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.trim().parse().ok());
    kibibytes.unwrap_or(0_u64) / 1024
}
