//! The command line.

use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Usage: make bench [ARGS='OPTION...']
  --rounds N      rounds, in each of which everything is measured (16)
  --seconds S     how long one measurement takes (0.3)
  --peers         the servers of other projects too, those that are installed
  --only TEXT     only what has TEXT in its name; no ratios to others then
  --soak N        N connections through one server, whose memory is not to grow (100000)
  --out DIR       where results.json, report.html and table.md go (target/bench)
  --help          this text
Exit status: 0 every ratio holds, 1 one does not, 100 wrong usage, 111 trouble.
";

pub struct Options {
    pub rounds: usize,
    pub time: Duration,
    pub peers: bool,
    pub only: Option<String>,
    pub soak: u64,
    pub out: PathBuf,
}

pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    let time = Duration::from_millis(300);
    let mut options = Options { rounds: 16, time, peers: false, only: None, soak: 100_000, out };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            // cargo passes this option to every benchmark.
            "--bench" => {}
            "--peers" => options.peers = true,
            "--help" => return Ok(None),
            "--rounds" => options.rounds = number(&argument, &value()?)?,
            "--seconds" => {
                let seconds: f64 = number(&argument, &value()?)?;
                options.time = Duration::try_from_secs_f64(seconds).map_err(|error| format!("{argument}: {error}"))?;
            }
            "--only" => options.only = Some(value()?),
            "--soak" => options.soak = number(&argument, &value()?)?,
            "--out" => options.out = value()?.into(),
            _ => return Err(format!("there is no option {argument}")),
        }
    }
    if options.rounds == 0 || options.time.is_zero() {
        return Err("--rounds and --seconds are above 0".to_owned());
    }
    Ok(Some(options))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} {text}: it takes a number"))
}
