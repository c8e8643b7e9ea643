use std::format;
use std::string::ToString;

use super::*;

#[test]
#[cfg_attr(miri, ignore = "Miri does not know the call")]
fn an_error_of_the_system_is_told_as_such() {
    let error = |code| GaiError { code, errno: Errno::MFILE }.to_string();
    assert_eq!(error(c::EAI_SYSTEM), "Too many open files");
    assert_eq!(error(c::EAI_NONAME), "Name or service not known");
    assert_eq!(format!("{:?}", GaiError { code: c::EAI_SYSTEM, errno: Errno::NFILE }), Errno::NFILE.to_string());
}
