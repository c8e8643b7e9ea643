use core::sync::atomic::{AtomicU32, Ordering};

use super::*;

#[test]
fn a_value_is_dropped_once_with_its_box() {
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Value {
        number: u32,
    }
    impl Drop for Value {
        fn drop(&mut self) {
            DROPPED.fetch_add(self.number, Ordering::Relaxed);
        }
    }
    // SAFETY: no process is forked here.
    let mut boxed = unsafe { ParentOnlyBox::new(Value { number: 1 }) }.unwrap();
    boxed.number += 6;
    assert_eq!((boxed.number, DROPPED.load(Ordering::Relaxed)), (7, 0));
    drop(boxed);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 7);
}
