//! Finds the files of lines by objdump.
//!
//! The module is necessary because addr2line of binutils 2.40 can name the wrong file: the program's first file for a
//! header whose functions come first.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The file and line of some addresses.
#[derive(Debug, Default)]
pub(super) struct LineTable {
    rows: HashMap<u64, (String, usize)>,
    /// The paths of files, by their last part.
    paths: HashMap<String, String>,
}

/// A row of the table: from its address on, the code belongs to its line. After the end of a function, code belongs to
/// no line.
#[derive(Debug, PartialEq, Eq)]
struct Row<'t> {
    file: &'t str,
    line: Option<usize>,
    address: u64,
}

impl<'t> Row<'t> {
    /// Reads `echo.c  42  0x1149  x`, or `echo.c  -  0x11d6`.
    fn parse(text: &'t str) -> Option<Self> {
        let (start, rest) = text.rsplit_once(" 0x")?;
        let address = u64::from_str_radix(rest.split_whitespace().next()?, 16).ok()?;
        let (file, line) = start.trim_ascii_end().rsplit_once(' ')?;
        Some(Row { file: file.trim_ascii_end(), line: line.parse().ok(), address })
    }
}

impl LineTable {
    /// Looks up addresses in an object. Without objdump, or without lines, the table is empty.
    pub(super) fn of(object: &str, addresses: impl Iterator<Item = u64>) -> Self {
        let mut command = Command::new("objdump");
        command.args(["--wide", "--dwarf=decodedline", object]);
        let Ok(mut child) = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
            return LineTable::default();
        };
        let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok));
        let table = LineTable::read(lines, &addresses.collect());
        // Ignore the exit status, because only the printed table counts.
        let _ = child.wait();
        table
    }

    pub(super) fn read(lines: impl Iterator<Item = String>, addresses: &BTreeSet<u64>) -> Self {
        let mut table = LineTable::default();
        let mut last: Option<(String, usize, u64)> = None;
        for text in lines {
            if let Some(path) = text.strip_suffix(':') {
                let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
                table.paths.insert(name, path.to_owned());
            }
            let Some(row) = Row::parse(&text) else {
                continue;
            };
            if let Some((file, line, from)) = last.take().filter(|(.., from)| *from < row.address) {
                let inside = addresses.range(from..row.address);
                table.rows.extend(inside.map(|address| (*address, (file.clone(), line))));
            }
            last = row.line.map(|line| (row.file.to_owned(), line, row.address));
        }
        table
    }

    /// Returns the file of a line at an address, for which addr2line names `believed`.
    pub(super) fn file_at(&self, address: u64, line: usize, believed: String) -> String {
        let name = Path::new(&believed).file_name().unwrap_or_default().to_string_lossy();
        match self.rows.get(&address) {
            Some((file, number)) if *number == line && *file != name => {
                let path = self.paths.get(file).unwrap_or(file);
                // A relative path begins in the folder of the believed file.
                let folder = Path::new(&believed).parent().unwrap_or(Path::new(""));
                folder.join(path).to_string_lossy().into_owned()
            }
            _ => believed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
CU: /src/p.c:
File name                            Line number    Starting address    View    Stmt
a header.h                                     4              0x1149               x
a header.h                                     5              0x1155               x

/src/p.c:
p.c                                            3              0x116e               x
p.c                                            -              0x1176

include/a header.h:
a header.h                                    10              0x1190               x
a header.h                                     -              0x11a6
";

    #[test]
    fn a_line_of_a_header_is_not_the_programs() {
        let addresses = BTreeSet::from([0x1154, 0x1155, 0x116e, 0x1180, 0x1190]);
        let table = LineTable::read(SHOWN.lines().map(str::to_owned), &addresses);
        let file = |address: u64, line: usize| table.file_at(address, line, "/src/p.c".to_owned());
        assert_eq!(file(0x1154, 4), "/src/include/a header.h");
        assert_eq!(file(0x1155, 5), "/src/include/a header.h");
        assert_eq!(file(0x116e, 3), "/src/p.c");
        // After the end of a function, and for another line, the answer of addr2line is used.
        assert_eq!(file(0x1180, 3), "/src/p.c");
        assert_eq!(file(0x1190, 7), "/src/p.c");
        // The right answer of addr2line keeps its folder, whatever objdump names.
        assert_eq!(table.file_at(0x1190, 10, "/usr/a header.h".to_owned()), "/usr/a header.h");
    }

    #[test]
    fn rows_of_one_address_give_it_the_last_line_and_no_range_to_the_others() {
        let shown = "/src/p.c:\np.c  3  0x10  x\np.c  4  0x10  x\nh.h  5  0x18  x\nh.h  6  0x12  x\nh.h  -  0x20\n";
        let addresses = BTreeSet::from([0x10, 0x17, 0x18, 0x1f, 0x20]);
        let table = LineTable::read(shown.lines().map(str::to_owned), &addresses);
        let rows: std::collections::BTreeMap<_, _> =
            table.rows.iter().map(|(at, (file, line))| (*at, (file.as_str(), *line))).collect();
        let expected = [(0x10, ("p.c", 4)), (0x17, ("h.h", 6)), (0x18, ("h.h", 6)), (0x1f, ("h.h", 6))];
        assert_eq!(rows, expected.into());
    }
}
