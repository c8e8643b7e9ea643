//! A row of the table: what was measured, and what must hold.

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

/// Condition that a value must meet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wanted {
    AtLeast(f64),
    /// At least so much as far as the interval tells: for two servers that make the same calls.
    AtLeastWithin(f64),
    AtMost(f64),
    /// It is shown, and nothing more.
    Nothing,
}

pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub wanted: Wanted,
    /// The value, or the reason why there is none.
    pub value: std::result::Result<Median, String>,
}

impl Row {
    pub fn new(name: String, unit: Unit, wanted: Wanted, value: Result<Median>) -> Row {
        Row { name, unit, wanted, value: value.map_err(|error| error.to_string()) }
    }

    /// A row that only says why something was not measured, which is no fault of ours.
    pub fn missing(name: &str, why: &str) -> Row {
        Row { name: name.to_owned(), unit: Unit::Ratio, wanted: Wanted::Nothing, value: Err(why.to_owned()) }
    }

    /// Whether the value is as it must be.
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
