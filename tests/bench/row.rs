//! A row of the table: the measured value, and its condition.

use crate::Result;
use crate::statistics::Median;

/// The unit of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Ratio,
    PerSecond,
    Milliseconds,
    Kilobytes,
    Calls,
}

impl Unit {
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Ratio => "",
            Unit::PerSecond => "/s",
            Unit::Milliseconds => " ms",
            Unit::Kilobytes => " kB",
            Unit::Calls => " calls",
        }
    }
}

/// The condition that a value must meet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wanted {
    AtLeast(f64),
    /// At least this number, with respect to the interval. The condition is for two servers that make the same calls.
    AtLeastWithin(f64),
    AtMost(f64),
    /// There is no condition: the value is only shown.
    Nothing,
}

pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub wanted: Wanted,
    /// The value, or the reason why there is no value.
    pub value: std::result::Result<Median, String>,
}

impl Row {
    pub fn new(name: String, unit: Unit, wanted: Wanted, value: Result<Median>) -> Row {
        Row { name, unit, wanted, value: value.map_err(|error| error.to_string()) }
    }

    /// Returns a row that only gives the reason why something was not measured. Such a row is no failure.
    pub fn missing(name: &str, why: &str) -> Row {
        Row { name: name.to_owned(), unit: Unit::Ratio, wanted: Wanted::Nothing, value: Err(why.to_owned()) }
    }

    /// Whether the value meets its condition.
    pub fn holds(&self) -> bool {
        let measured = |meets: &dyn Fn(&Median) -> bool| self.value.as_ref().is_ok_and(meets);
        match self.wanted {
            Wanted::AtLeast(least) => measured(&|value| value.value >= least),
            Wanted::AtLeastWithin(least) => measured(&|value| value.high >= least),
            Wanted::AtMost(most) => measured(&|value| value.value <= most),
            Wanted::Nothing => true,
        }
    }
}
