//! Stats: medians, quantiles, and what a process used.

use hdrhistogram::Histogram;

/// What a process used so far, from `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub cpu_s: f64,
    pub rss_kib: u64,
    pub open_files: u64,
}

/// Linux counts processor time in hundredths of a second for every program.
const TICKS_PER_S: f64 = 100.0;

impl Usage {
    /// Reads a process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> std::io::Result<Self> {
        let odd = || std::io::Error::other("/proc reads oddly");
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold spaces; what follows it does not.
        let fields: Vec<&str> = stat.rsplit(')').next().ok_or_else(odd)?.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).ok_or_else(odd);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss_kib = rss.and_then(|rss| rss.split_whitespace().next()?.parse().ok()).ok_or_else(odd)?;
        let open_files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        Ok(Self { cpu_s: (ticks(11)? + ticks(12)?) / TICKS_PER_S, rss_kib, open_files })
    }
}

/// The middle value; of an even number the mean of the two. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// A quantile in milliseconds of a histogram in microseconds.
pub fn millis(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
    }

    #[test]
    fn reads_this_process() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_kib > 100 && usage.open_files > 0);
    }
}
