//! Macros for C's named integers: a value of an open set, and flags that are combined with `|`.

/// Declares the associated constants of a transparent newtype over `c_int`, each with its C name, and the function
/// `name`.
macro_rules! open_set {
    ($type:ident from $module:ident { $($name:ident = $c_name:ident,)+ }) => {
        impl $type {
            $(
                #[doc = concat!("`", stringify!($c_name), "`")]
                pub const $name: $type = $type($module::$c_name);
            )+

            /// Returns the C name of this value (`"EINTR"`, `"SIGCHLD"`), or `None` for a value without a name here.
            ///
            /// Async-signal-safe: yes.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                $(if self == $type::$name { return Some(stringify!($c_name)); })+
                None
            }
        }
    };
}
pub(crate) use open_set;

/// Declares a type of C flags: its constants, `|`, `|=`, `contains`, `is_empty`, and a `Debug` that prints the C names.
macro_rules! flags {
    (
        $(#[$meta:meta])*
        $type:ident($int:ty) from $module:ident { $($(#[$doc:meta])* $name:ident = $c_name:ident,)+ }
    ) => {
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $type($int);

        impl $type {
            /// The value 0, in which no flag is set.
            pub const NONE: $type = $type(0);
            $(
                $(#[$doc])*
                pub const $name: $type = $type($module::$c_name);
            )+

            /// Whether every flag of `other` is set.
            #[must_use]
            pub const fn contains(self, other: $type) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether no flag is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Returns the value as C functions take it.
            pub(crate) const fn raw(self) -> $int {
                self.0
            }
        }

        impl core::ops::BitOr for $type {
            type Output = $type;

            fn bitor(self, other: $type) -> $type {
                $type(self.0 | other.0)
            }
        }

        impl core::ops::BitOrAssign for $type {
            fn bitor_assign(&mut self, other: $type) {
                self.0 |= other.0;
            }
        }

        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let names = [$((stringify!($c_name), $module::$c_name)),+];
                let mut rest = self.0;
                let mut separator = "";
                for (name, flag) in names {
                    if flag != 0 && self.0 & flag == flag {
                        write!(f, "{separator}{name}")?;
                        separator = " | ";
                        rest &= !flag;
                    }
                }
                // Print the flags without a name here as a number. Print 0 if no flag is set.
                if rest != 0 || self.0 == 0 { write!(f, "{separator}{rest:#x}") } else { Ok(()) }
            }
        }
    };
}
pub(crate) use flags;
