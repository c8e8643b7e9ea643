//! Pictures: bars, and curves.

use std::fmt::Write;

use super::thousands;
use crate::growth::Curve;

/// A bar: its name, whether it is ours, its length, and from where to where it varies.
pub struct Bar {
    pub name: String,
    pub ours: bool,
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A text as HTML has it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const WIDTH: f64 = 860.0;
/// The left end of the bars, behind their names.
const BARS_AT: f64 = 270.0;
/// Room for the figures behind the bars.
const FIGURES: f64 = 80.0;
const ROW: f64 = 24.0;

/// Horizontal bars, in this order.
pub fn bars(bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.high).fold(1.0, f64::max);
    let scale = (WIDTH - BARS_AT - FIGURES) / most;
    let height = ROW * bars.len() as f64 + 4.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (index, bar) in bars.iter().enumerate() {
        let (y, length) = (ROW * index as f64, bar.value * scale);
        let (low, high) = (BARS_AT + bar.low * scale, BARS_AT + bar.high * scale);
        let class = if bar.ours { "ours" } else { "theirs" };
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<text x=\"{name_at}\" y=\"{text_y}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{BARS_AT}\" y=\"{bar_y}\" width=\"{length:.1}\" height=\"16\" rx=\"2\"/>\
             <line class=\"spread\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
             <text x=\"{figure_at:.1}\" y=\"{text_y}\">{figure}</text>",
            name_at = BARS_AT - 8.0,
            text_y = y + 17.0,
            bar_y = y + 4.0,
            middle = y + 12.0,
            figure_at = BARS_AT + length.max(bar.high * scale) + 6.0,
            name = escaped(&bar.name),
            figure = thousands(bar.value),
        );
    }
    svg.push_str("</svg>");
    svg
}

const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
/// Room on the right for the names of the curves.
const NAMES: f64 = 240.0;
const COLOURS: [&str; 8] = ["#c2410c", "#1d4ed8", "#15803d", "#a21caf", "#0e7490", "#b45309", "#4d7c0f", "#be123c"];

/// Curves over a common x axis, each value of which has the same room; y begins at 0.
pub fn curves(curves: &[Curve], x_name: &str, y_name: &str) -> String {
    let values = || curves.iter().flat_map(|curve| &curve.points);
    let most = values().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max);
    let mut places: Vec<f64> = values().map(|point| point.0).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let (right, floor) = (WIDTH - NAMES, HEIGHT - BOTTOM);
    let step = (right - LEFT) / (places.len().max(2) - 1) as f64;
    let x_of = |x: f64| LEFT + step * places.iter().take_while(|place| **place < x).count() as f64;
    let y_of = |y: f64| floor - (floor - 16.0) * y / most;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let mut put = |text: String| svg.push_str(&text);
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        let text = if most < 100.0 { format!("{value:.2}") } else { thousands(value) };
        let y = y_of(value);
        put(format!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
        put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 6.0, y + 4.0));
    }
    for &place in &places {
        let x = x_of(place);
        put(format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", floor + 16.0, thousands(place)));
    }
    put(format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        LEFT.midpoint(right),
        HEIGHT - 6.0,
        escaped(x_name)
    ));
    put(format!("<text x=\"4\" y=\"10\">{}</text>", escaped(y_name)));
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points: Vec<String> =
            curve.points.iter().map(|point| format!("{:.1},{:.1}", x_of(point.0), y_of(point.1))).collect();
        let y = 24.0 + 18.0 * index as f64;
        put(format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        ));
        put(format!("<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"3\" fill=\"{colour}\"/>", right + 14.0, y - 5.0));
        put(format!("<text x=\"{}\" y=\"{y}\">{}</text>", right + 32.0, escaped(&curve.name)));
    }
    svg.push_str("</svg>");
    svg
}
