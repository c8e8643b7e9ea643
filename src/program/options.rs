//! A table of options, which parses a command line and prints the text for `--help`.
//!
//! ```
//! use mpserv::options::{OptionSpec, OptionTable};
//!
//! #[derive(Clone, Copy)]
//! enum Choice {
//!     Count,
//!     Quiet,
//! }
//!
//! static TABLE: OptionTable<Choice> = OptionTable::new(&[
//!     OptionSpec::new(Choice::Count, b'n', c"count", "N", "how many (1)"),
//!     OptionSpec::new(Choice::Quiet, b'q', c"quiet", "", "print nothing\nbut errors"),
//! ]);
//! let help = "  -n, --count N  how many (1)\n  -q, --quiet    print nothing\n                 but errors\n";
//! assert_eq!(TABLE.to_string(), help);
//! ```

use core::ffi::{CStr, c_int};
use core::fmt;

use super::args::Args;
use super::getopt::{Getopt, HasArg, LongOption, Name, Opt};

/// The most options of a table.
const OPTIONS_MAX: usize = 64;
/// The longest list of letters: `+:`, a letter and a colon for each option, a NUL.
const LETTERS_MAX: usize = 2 + 2 * OPTIONS_MAX + 1;
/// The value of the first long option. Lower values are letters.
const FIRST_LONG: usize = 256;

/// An option: its names, its argument, and its description.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec<T> {
    option: T,
    letter: u8,
    name: &'static CStr,
    argument: &'static str,
    help: &'static str,
}

impl<T> OptionSpec<T> {
    /// Returns an option. A `letter` of 0 or an empty `name` means that the option has no such name. An empty
    /// `argument` means that the option takes no argument.
    ///
    /// # Panics
    /// Panics if `letter` is anything else than 0, an ASCII letter or a digit, because other bytes may have a meaning of
    /// their own in C. For an option in a `static`, the compiler reports this error.
    #[must_use]
    pub const fn new(
        option: T,
        letter: u8,
        name: &'static CStr,
        argument: &'static str,
        help: &'static str,
    ) -> OptionSpec<T> {
        assert!(letter == 0 || letter.is_ascii_alphanumeric(), "the letter of an option is no ASCII letter or digit");
        OptionSpec { option, letter, name, argument, help }
    }

    /// Returns the long name.
    #[must_use]
    pub const fn name(&self) -> &'static CStr {
        self.name
    }
}

/// Writes the names and the argument: `-c, --max-children N`.
impl<T> fmt::Display for OptionSpec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.letter, self.name.is_empty()) {
            (0, _) => f.write_str("    ")?,
            (letter, true) => write!(f, "-{}", letter.escape_ascii())?,
            (letter, false) => write!(f, "-{}, ", letter.escape_ascii())?,
        }
        if !self.name.is_empty() {
            write!(f, "--{}", self.name.to_bytes().escape_ascii())?;
        }
        if self.argument.is_empty() { Ok(()) } else { write!(f, " {}", self.argument) }
    }
}

/// The options of a command.
pub struct OptionTable<T: 'static> {
    specs: &'static [OptionSpec<T>],
    letters: [u8; LETTERS_MAX],
    long: [LongOption; OPTIONS_MAX + 1],
}

/// The next option of a command line.
#[derive(Clone, Copy, Debug)]
pub enum Parsed<T: 'static> {
    /// An option of the table, and its argument, which is empty if the option takes none.
    Option(&'static OptionSpec<T>, T, &'static CStr),
    /// An option that is unknown or ambiguous, or that has an argument although it takes none.
    Unknown(Name),
    /// An option without the argument that it takes.
    Missing(Name),
}

impl<T: Copy> OptionTable<T> {
    /// Returns the table of these options.
    ///
    /// # Panics
    /// Panics if there are more than 64 options. For a table in a `static`, the compiler reports this error.
    #[must_use]
    pub const fn new(specs: &'static [OptionSpec<T>]) -> OptionTable<T> {
        assert!(specs.len() <= OPTIONS_MAX, "a table has at most 64 options");
        let mut letters = [0; LETTERS_MAX];
        // These two characters keep the C library from printing and from changing the order of the arguments.
        (letters[0], letters[1]) = (b'+', b':');
        let mut next = 2;
        let mut long = [const { LongOption::END }; OPTIONS_MAX + 1];
        let mut count = 0;
        let mut index = 0;
        while index < specs.len() {
            let spec = &specs[index];
            let takes_argument = !spec.argument.is_empty();
            if spec.letter != 0 {
                letters[next] = spec.letter;
                next += 1;
                if takes_argument {
                    letters[next] = b':';
                    next += 1;
                }
            }
            if !spec.name.is_empty() {
                let has_arg = if takes_argument { HasArg::Required } else { HasArg::No };
                long[count] = LongOption::new(spec.name, has_arg, (FIRST_LONG + index) as c_int);
                count += 1;
            }
            index += 1;
        }
        OptionTable { specs, letters, long }
    }

    /// Parses the options of a command line, by `getopt_long()`. Returns `None` where other threads exist: see
    /// [`Getopt::new`].
    pub fn parse(&self, args: Args) -> Option<Parser<'_, T>> {
        let letters = CStr::from_bytes_until_nul(&self.letters).ok()?;
        Some(Parser { getopt: Getopt::new(args, letters, &self.long)?, specs: self.specs })
    }
}

/// A line for each option, as `--help` prints it.
impl<T> fmt::Display for OptionTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.specs.iter().map(length).max().unwrap_or(0);
        self.specs.iter().try_for_each(|spec| {
            write!(f, "  {spec}")?;
            let mut lines = spec.help.lines();
            if let Some(first) = lines.next() {
                write!(f, "{:padding$}  {first}", "", padding = width - length(spec))?;
            }
            for line in lines {
                write!(f, "\n  {:width$}  {line}", "")?;
            }
            writeln!(f)
        })
    }
}

impl<T> fmt::Debug for OptionTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.specs.iter().map(|spec| spec.name)).finish()
    }
}

/// Returns the number of characters of an option as it is shown.
fn length<T>(spec: &OptionSpec<T>) -> usize {
    struct Count(usize);
    impl fmt::Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    // This sink never fails.
    let _ = fmt::write(&mut count, format_args!("{spec}"));
    count.0
}

/// The options of a command line, one after another, up to the first argument that is no option, or `--`.
#[derive(Debug)]
pub struct Parser<'t, T: 'static> {
    getopt: Getopt<'t>,
    specs: &'static [OptionSpec<T>],
}

impl<T> Parser<'_, T> {
    /// Returns the index of the next argument.
    #[must_use]
    pub fn index(&self) -> usize {
        self.getopt.index()
    }
}

impl<T: Copy> Iterator for Parser<'_, T> {
    type Item = Parsed<T>;

    fn next(&mut self) -> Option<Parsed<T>> {
        Some(match self.getopt.next()? {
            Opt::Option(value, argument) => {
                let value = usize::try_from(value).ok()?;
                let spec = match value.checked_sub(FIRST_LONG) {
                    Some(index) => self.specs.get(index),
                    None => self.specs.iter().find(|spec| usize::from(spec.letter) == value),
                }?;
                Parsed::Option(spec, spec.option, argument.unwrap_or_default())
            }
            Opt::Unknown(name) => Parsed::Unknown(name),
            Opt::Missing(name) => Parsed::Missing(name),
        })
    }
}
