//! The report: for the terminal and the README (`markdown`), for a browser (`page`), for programs (`json`).

use std::fs;

use crate::options::Options;
use crate::{Findings, Result};

mod json;
mod markdown;
mod page;
mod svg;

/// Writes every form of the report.
pub fn write(findings: &Findings, options: &Options) -> Result<()> {
    fs::create_dir_all(&options.out)?;
    let table = markdown::of(findings);
    for (file, text) in
        [("results.json", json::of(findings)), ("report.html", page::of(findings)), ("table.md", table.clone())]
    {
        fs::write(options.out.join(file), text)?;
    }
    println!("{table}");
    eprintln!("bench: {}/{{report.html,results.json,table.md}}", options.out.display());
    Ok(())
}

/// 12345.6 as 12,346.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
