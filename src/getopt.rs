//! The command line's options.

use core::ffi::{CStr, c_char, c_int};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::ffi::getopt as c;

/// One argument of a command line, as C has it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Argument<'a>(*mut c_char, PhantomData<&'a CStr>);

impl<'a> Argument<'a> {
    /// The NULL behind the last one.
    pub const END: Argument<'static> = Argument(ptr::null_mut(), PhantomData);

    /// The text; none for [`END`](Argument::END).
    #[must_use]
    pub fn text(self) -> Option<&'a CStr> {
        // SAFETY: it is NULL or was made of a `&'a CStr`.
        (!self.0.is_null()).then(|| unsafe { CStr::from_ptr(self.0) })
    }
}

impl<'a> From<&'a CStr> for Argument<'a> {
    fn from(text: &'a CStr) -> Argument<'a> {
        Argument(text.as_ptr().cast_mut(), PhantomData)
    }
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct LongOption {
    /// Its name, without the dashes.
    pub name: &'static CStr,
    /// Whether it takes an argument.
    pub has_argument: bool,
    /// What stands for it: the letter of its short form, if it has one.
    pub value: c_int,
}

/// An option that was found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// The option with this value, and its argument.
    Option(c_int, Option<&'a CStr>),
    /// One that there is not, or one without its argument; the C library has said so on standard error.
    Mistake,
}

/// getopt keeps its place in static variables, so one command line is read at a time.
static BUSY: AtomicBool = AtomicBool::new(false);

/// The most options a program may have.
pub const OPTIONS_MAX: usize = 64;

/// A command line being read by `getopt_long()`.
pub struct GetOpt<'a> {
    arguments: &'a mut [Argument<'a>],
    letters: &'static CStr,
    options: [c::option; OPTIONS_MAX + 1],
}

impl core::fmt::Debug for GetOpt<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("GetOpt").field("arguments", &self.arguments).field("letters", &self.letters).finish()
    }
}

impl<'a> GetOpt<'a> {
    /// Begins to read a command line: the program's name, its arguments, and [`Argument::END`].
    ///
    /// None when another is being read, when the end is missing, or with more than [`OPTIONS_MAX`] options.
    #[must_use]
    pub fn new(
        arguments: &'a mut [Argument<'a>],
        letters: &'static CStr,
        long: &'static [LongOption],
    ) -> Option<GetOpt<'a>> {
        let ends = arguments.len() > 1 && arguments.last()?.0.is_null();
        let whole = ends && arguments.iter().filter(|argument| argument.0.is_null()).count() == 1;
        if !whole || long.len() > OPTIONS_MAX || BUSY.swap(true, Ordering::Acquire) {
            return None;
        }
        let none = c::option { name: ptr::null(), has_arg: 0, flag: ptr::null_mut(), val: 0 };
        let mut options = [none; OPTIONS_MAX + 1];
        for (option, long) in options.iter_mut().zip(long) {
            option.name = long.name.as_ptr();
            option.has_arg = c_int::from(long.has_argument);
            option.val = long.value;
        }
        // 0 makes the C library begin anew.
        // SAFETY: only the holder of BUSY touches getopt's variables.
        unsafe { c::optind = 0 };
        Some(GetOpt { arguments, letters, options })
    }

    /// `getopt_long()`: the next option, or none when only operands are left.
    ///
    /// # References
    /// getopt(3), GNU
    #[expect(clippy::should_implement_trait, reason = "the operands are asked for after the last option")]
    pub fn next(&mut self) -> Option<Found<'a>> {
        let count = c_int::try_from(self.arguments.len() - 1).unwrap_or(c_int::MAX);
        let start = self.arguments.as_mut_ptr().cast::<*mut c_char>();
        let (letters, options) = (self.letters.as_ptr(), self.options.as_ptr());
        // SAFETY: `count` pointers to text and a NULL start there, getopt only changes their order; the options end in
        // one of zeros.
        let found = unsafe { c::getopt_long(count, start.cast_const().cast(), letters, options, ptr::null_mut()) };
        match found {
            -1 => None,
            // What getopt returns for a mistake; no option may have this value.
            value if value == c_int::from(b'?') => Some(Found::Mistake),
            value => {
                // SAFETY: only the holder of BUSY touches getopt's variables.
                let argument = Argument(unsafe { c::optarg }, PhantomData);
                Some(Found::Option(value, argument.text()))
            }
        }
    }

    /// What is left once there are no more options, in order.
    pub fn operands(&self) -> impl Iterator<Item = &'a CStr> {
        // SAFETY: only the holder of BUSY touches getopt's variables.
        let first = usize::try_from(unsafe { c::optind }).unwrap_or_default();
        let count = self.arguments.len();
        self.arguments[first.min(count)..].iter().filter_map(|argument| argument.text())
    }
}

impl Drop for GetOpt<'_> {
    fn drop(&mut self) {
        BUSY.store(false, Ordering::Release);
    }
}
