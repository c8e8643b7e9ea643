//! The machine on which the figures were measured.

use std::fmt;
use std::fs;
use std::process::Command;

use crate::Result;

pub struct Machine {
    pub date: String,
    pub processor: String,
    pub cores: usize,
    pub kernel: String,
    pub rustc: String,
    pub cc: String,
    pub libc: String,
}

/// Returns the first line that a command prints.
fn first_line(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).env("LC_ALL", "C").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

impl Machine {
    pub fn here() -> Result<Machine> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        Ok(Machine {
            date: first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            processor: model.map_or("unknown processor", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            rustc: first_line("rustc", &["--version"]),
            cc: first_line(&compiler, &["--version"]),
            libc: first_line("getconf", &["GNU_LIBC_VERSION"]),
        })
    }
}

/// The processors' time since the start of the machine, in ticks.
#[derive(Clone, Copy)]
pub struct ProcessorTime {
    /// The time that the host of a virtual machine gave to others while this machine had work to do.
    stolen: u64,
    all: u64,
}

/// The number of times in the first line of `/proc/stat`, up to the time that was stolen. The later times are parts of
/// the earlier times.
const TIMES: usize = 8;

impl ProcessorTime {
    pub fn now() -> Result<ProcessorTime> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let times: Vec<u64> = line.split_whitespace().skip(1).take(TIMES).map_while(|time| time.parse().ok()).collect();
        let stolen = *times.get(TIMES - 1).ok_or("/proc/stat has no time that was stolen")?;
        Ok(ProcessorTime { stolen, all: times.iter().sum() })
    }

    /// Returns the share of the time since an earlier moment that was stolen, in percent.
    pub fn stolen_since(self, earlier: ProcessorTime) -> f64 {
        100.0 * (self.stolen - earlier.stolen) as f64 / (self.all - earlier.all).max(1) as f64
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { date, processor, cores, kernel, rustc, cc, libc } = self;
        write!(f, "{date}; {processor}, {cores} cores; Linux {kernel}; {rustc}; {cc}; {libc}")
    }
}
