//! The command line.

use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Usage: make bench [ARGS='OPTION...']
  --peers         the servers of other projects too, those that are installed
  --quick         few and short measurements, to see that everything works
  --only TEXT     only rows with TEXT in their name: 'sandbox', 'first byte', 'memory'
  --rounds N      rounds, in each of which every server is measured (16)
  --seconds S     how long one measurement takes (0.3)
  --soak N        connections through one server, whose memory must not grow (50000)
  --idle N        idle connections that a server holds (1000)
  --out DIR       where the table and results.json go (target/bench)
  --help          this text
A run without --quick and --only also writes the results into src/docs/benchmarks.md.
Exit status: 0 every row holds, 1 one does not or was not measured, 100 wrong usage, 111 trouble.
";

/// The options of the command line.
pub enum Task {
    Measure(Options),
    /// Serve this port by a handler of the library, with this many children. The bench starts itself in this way.
    Serve(u16, u32),
    Help,
}

pub struct Options {
    /// The arguments as the user gave them.
    pub given: Vec<String>,
    pub peers: bool,
    pub quick: bool,
    pub only: Option<String>,
    pub rounds: usize,
    pub time: Duration,
    pub soak: u64,
    pub idle: u32,
    pub out: PathBuf,
}

/// The option by which the bench starts itself as a server.
pub const SERVE: &str = "--serve";
const ROUNDS: usize = 16;
const TIME: Duration = Duration::from_millis(300);
const SOAK: u64 = 50_000;
const IDLE: u32 = 1000;
// The number of rounds with --quick.
const QUICK_ROUNDS: usize = 2;
const QUICK_TIME: Duration = Duration::from_millis(100);
const QUICK_SOAK: u64 = 2000;
const QUICK_IDLE: u32 = 100;

impl Options {
    /// Whether a row of this name is requested.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Whether the results are written into the documents.
    pub fn is_whole(&self) -> bool {
        !self.quick && self.only.is_none()
    }
}

pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    // cargo passes this option to every benchmark.
    let given: Vec<String> = arguments.filter(|argument| argument != "--bench").collect();
    let quick = given.iter().any(|argument| argument == "--quick");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    let (rounds, time, soak, idle) =
        if quick { (QUICK_ROUNDS, QUICK_TIME, QUICK_SOAK, QUICK_IDLE) } else { (ROUNDS, TIME, SOAK, IDLE) };
    let mut options = Options { given: given.clone(), peers: false, quick, only: None, rounds, time, soak, idle, out };
    let mut arguments = given.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" => return Ok(Task::Help),
            SERVE => return Ok(Task::Serve(number(&argument, &value()?)?, number(&argument, &value()?)?)),
            "--peers" => options.peers = true,
            "--quick" => {}
            "--only" => options.only = Some(value()?),
            "--rounds" => options.rounds = number(&argument, &value()?)?,
            "--seconds" => {
                let seconds: f64 = number(&argument, &value()?)?;
                options.time = Duration::try_from_secs_f64(seconds).map_err(|error| format!("{argument}: {error}"))?;
            }
            "--soak" => options.soak = number(&argument, &value()?)?,
            "--idle" => options.idle = number(&argument, &value()?)?,
            "--out" => options.out = value()?.into(),
            _ => return Err(format!("there is no option {argument}")),
        }
    }
    if options.rounds == 0 || options.time.is_zero() {
        return Err("--rounds and --seconds are above 0".to_owned());
    }
    Ok(Task::Measure(options))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} {text}: it takes a number"))
}
