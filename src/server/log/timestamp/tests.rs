extern crate std;

use core::time::Duration;
use std::process::Command;
use std::string::{String, ToString};

use super::Timestamp;

/// Compares with the output of `date`, for the first and last seconds of months and years, and for leap days.
#[test]
#[cfg_attr(miri, ignore = "Miri cannot run date")]
fn times_are_those_of_date() {
    const HOUR: u64 = 3600;
    let edges = [0, 951_782_399, 951_782_400, 951_868_800, 1_709_164_800, 1_735_689_599, 1_735_689_600, 4_107_542_400];
    for seconds in edges.into_iter().chain((1..60).map(|step| step * 20_000 * HOUR + step)) {
        let mut command = Command::new("date");
        command.args(["-u", "+%Y-%m-%dT%H:%M:%S.007Z", "-d"]).arg(std::format!("@{seconds}"));
        let known = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert_eq!(Timestamp(Duration::new(seconds, 7_000_000)).to_string(), known.trim_end(), "{seconds}");
    }
}
