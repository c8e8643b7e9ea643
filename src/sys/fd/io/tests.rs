use std::vec;
use std::vec::Vec;

use super::*;

#[test]
fn all_of_it_is_put_or_an_error_is_returned() {
    let put = |results: &[Result<usize>]| {
        let (mut results, mut lengths) = (results.iter().copied(), Vec::new());
        let result = all_of(b"0123456789", |rest| {
            assert!(b"0123456789".ends_with(rest));
            lengths.push(rest.len());
            results.next().unwrap()
        });
        (result, lengths)
    };
    assert_eq!(put(&[Ok(10)]), (Ok(()), vec![10]));
    assert_eq!(put(&[Ok(1), Err(Errno::INTR), Ok(8), Ok(1)]), (Ok(()), vec![10, 9, 9, 1]));
    assert_eq!(put(&[Ok(4), Ok(0)]), (Err(Errno::IO), vec![10, 6]));
    assert_eq!(put(&[Err(Errno::AGAIN)]), (Err(Errno::AGAIN), vec![10]));
    assert_eq!(all_of(b"", |_| panic!("there is nothing to put")), Ok(()));
}
