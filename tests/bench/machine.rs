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

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { date, processor, cores, kernel, rustc, cc, libc } = self;
        write!(f, "{date}; {processor}, {cores} cores; Linux {kernel}; {rustc}; {cc}; {libc}")
    }
}
