//! Finds notes in the source: its first comment, and the places that are wrong or were mended.

use super::text::sentence;

/// A place in the source at which the tour stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The line of code to which the comment refers.
    pub line: usize,
    /// The line of the comment.
    pub comment: usize,
    /// Set when the original was mended because its behaviour is undefined in C.
    pub mended: bool,
    pub text: String,
}

/// The first comment of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The program's purpose, which follows its name.
    pub title: String,
    /// The lesson that the program shows.
    pub shows: String,
}

const MARKS: [(&str, bool); 2] = [("Wrong: ", false), ("mended: ", true)];

/// Returns the stops of a source, in the order of lines.
pub fn stops(lines: &[String]) -> Vec<Stop> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for (mark, mended) in MARKS {
            let Some(start) = line.find(mark).filter(|start| is_in_comment(&line[..*start])) else {
                continue;
            };
            let mut text = line[start + mark.len()..].to_owned();
            // The comment may continue on the next line.
            let is_block = line.contains("/*") && !line.contains("*/") || line.trim_start().starts_with("* ");
            let rest = lines[at + 1..].iter().map(|line| line.trim());
            for more in rest.take_while(|more| (is_block && more.starts_with('*')) || more.starts_with("// ")) {
                if text.contains("*/") || more.trim_start_matches(['*', '/', ' ']).starts_with("Wrong: ") {
                    break;
                }
                text.push(' ');
                text.push_str(more.trim_start_matches(['*', '/', ' ']));
                if more == "*/" {
                    break;
                }
            }
            let text = text.split("*/").next().unwrap_or_default();
            // One comment may have both parts: the fault, and its repair.
            let (text, mended) = match text.split_once(" mended: ") {
                Some((wrong, mend)) => (format!("{}; {}", wrong.trim_end_matches('.'), mend.trim()), true),
                None => (text.trim().to_owned(), mended),
            };
            if found.last().is_some_and(|last: &Stop| last.comment == at + 1 && last.mended && mark == MARKS[1].0) {
                continue;
            }
            found.push(Stop { line: code_line(lines, at) + 1, comment: at + 1, mended, text });
        }
    }
    found
}

/// Returns the line to which a comment refers: its own line if that has code, else the next line with code.
fn code_line(lines: &[String], at: usize) -> usize {
    let mut in_comment = lines[at].trim_start().starts_with('*');
    for (number, line) in lines.iter().enumerate().skip(at) {
        let mut rest = line.trim();
        if !in_comment && !rest.is_empty() && !rest.starts_with("//") && !rest.starts_with("/*") {
            return number;
        }
        if let Some((_, behind)) = rest.split_once("*/") {
            rest = behind;
        } else {
            in_comment |= rest.starts_with("/*");
            continue;
        }
        in_comment = false;
        if !rest.trim().is_empty() {
            return number;
        }
    }
    at
}

fn is_in_comment(before: &str) -> bool {
    let trimmed = before.trim_start();
    before.contains("/*") || before.contains("//") || trimmed.starts_with('*')
}

/// Returns the first comment of a source.
pub fn header(lines: &[String]) -> Header {
    let in_comment = |line: &&String| ["/*", " *", "//"].iter().any(|start| line.starts_with(start));
    let strip = |line: &String| line.trim_start_matches(['/', '*', '!', ' ']).trim().to_owned();
    let comment: Vec<String> = lines.iter().take_while(in_comment).map(strip).collect();
    let title = comment.iter().find_map(|line| line.split_once(": ")).map_or("", |(_, title)| title);
    let start = comment.iter().position(|line| line.starts_with("Shows:"));
    let shows = start.map_or_else(String::new, |start| {
        let goes_on = |line: &&String| !line.is_empty() && !line.contains(": ");
        let more = comment[start + 1..].iter().take_while(goes_on);
        let first = comment[start].trim_start_matches("Shows:").trim();
        std::iter::once(first).chain(more.map(String::as_str)).collect::<Vec<_>>().join(" ")
    });
    // The marks of code are removed. The name of a function that the program calls stays unchanged.
    let is_called = |word: &str| lines.iter().any(|line| !in_comment(&line) && calls(line, word));
    let [title, shows] = [title, &shows].map(|text| {
        let text = text.replace('`', "");
        if text.split(' ').next().is_some_and(is_called) { text } else { sentence(&text) }
    });
    Header { title, shows }
}

/// Whether a line calls a function of this name.
fn calls(line: &str, name: &str) -> bool {
    let found = line.find(&format!("{name}("));
    found.is_some_and(|at| !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn comments_are_found_and_nothing_else_is() {
        let source = lines(
            "/*\n * x PORT: does it.\n *\n * Shows: a thing,\n * and more.\n * Next:  y\n */\n\tf(); /* Wrong: a. mended: b */\n\
             \tputs(\"Wrong: no\");\n\t/* Wrong: one\n\t * two */\n\n\t// three\n\tg();\n",
        );
        let header = header(&source);
        assert_eq!((header.title.as_str(), header.shows.as_str()), ("Does it.", "A thing, and more."));
        let texts: Vec<_> =
            stops(&source).into_iter().map(|stop| (stop.comment, stop.line, stop.mended, stop.text)).collect();
        assert_eq!(texts, [(8, 8, true, "a; b".into()), (10, 14, false, "one two".into())]);
    }

    #[test]
    fn a_comment_goes_on_to_its_end_and_refers_to_its_code() {
        let found = |text: &str| -> Vec<_> {
            stops(&lines(text)).into_iter().map(|stop| (stop.comment, stop.line, stop.mended, stop.text)).collect()
        };
        let one = |comment, line, mended, text: &str| vec![(comment, line, mended, text.to_owned())];
        assert_eq!(found("f(); // Wrong: a\n// b\n// c\ng();"), one(1, 1, false, "a b c"));
        assert_eq!(found("// Wrong: a\n* b\ng();"), one(1, 2, false, "a"), "no block goes on");
        assert_eq!(found("/* Wrong: a */\n* b\ng();"), one(1, 2, false, "a"), "the block has ended");
        assert_eq!(found("/* Wrong: a\n * b\n */\n* c\ng();"), one(1, 4, false, "a b"));
        assert_eq!(found("/* x\n * Wrong: a\n * b\n */\ng();"), one(2, 5, false, "a b"));
        assert_eq!(found("/* x */ f(); /* mended: a */"), one(1, 1, true, "a"));
        let two = [one(1, 3, false, "a"), one(2, 3, false, "b")].concat();
        assert_eq!(found("// Wrong: a\n// Wrong: b\ng();"), two);
        assert_eq!(found("puts(\"Wrong: a\");\nx = \"mended: b\";"), []);
    }
}
