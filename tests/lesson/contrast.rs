//! Checks that text can be read in both colour schemes: the colours of text (`--ink…`) on all backgrounds (`--bg…`).

use std::collections::BTreeMap;

use crate::repository;

/// The lowest contrast of text in the Web Content Accessibility Guidelines.
const CONTRAST: f64 = 4.5;

fn style() -> String {
    std::fs::read_to_string(repository("src/bin/mpserv-audit/lesson/style.css")).unwrap()
}

/// Returns the colours that a block of the style defines.
fn colours(block: &str) -> BTreeMap<String, [f64; 3]> {
    let channel = |hex: &str, at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
    let definitions = block.split(';').filter_map(|part| part.trim().split_once(": #"));
    definitions
        .map(|(name, hex)| {
            let name = name.rsplit(['{', '\n', ' ']).next().unwrap().to_owned();
            (name, [0, 2, 4].map(|at| channel(hex, at)))
        })
        .collect()
}

/// Returns the luminance of a colour, as the guidelines define it.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|part| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn black_on_white_has_the_most_contrast() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
}

#[test]
fn text_can_be_read_in_both_schemes() {
    let style = style();
    let (light, rest) = style.split_once("@media screen and (prefers-color-scheme: dark)").unwrap();
    let (dark, _) = rest.split_once("\n}\n").unwrap();
    let (light, dark) = (colours(light), colours(dark));
    assert_eq!(light.keys().collect::<Vec<_>>(), dark.keys().collect::<Vec<_>>());
    let mut pairs = 0;
    for scheme in [light, dark] {
        let named = |start: &'static str| scheme.iter().filter(move |(name, _)| name.starts_with(start));
        for ((ink, text), (paper, ground)) in named("--ink").flat_map(|ink| named("--bg").map(move |bg| (ink, bg))) {
            let contrast = contrast(*text, *ground);
            assert!(contrast >= CONTRAST, "{ink} on {paper}: {contrast:.2}");
            pairs += 1;
        }
    }
    assert!(pairs >= 100, "{pairs}");
}

#[test]
fn text_has_no_other_colours() {
    let style = style();
    let uses = |property: &str| -> Vec<String> {
        let values = style.split(property).skip(1).map(|rest| rest.split([';', '}']).next().unwrap().trim().to_owned());
        values.collect()
    };
    // The colour of lines between columns does not count, because there is no text on it.
    let (inks, grounds) = (uses(" color:"), uses("background:"));
    assert!(!inks.is_empty() && !grounds.is_empty());
    assert!(inks.iter().all(|value| value.starts_with("var(--ink")), "{inks:?}");
    assert!(grounds.iter().all(|value| value.starts_with("var(--bg") || value == "var(--line)"), "{grounds:?}");
}
