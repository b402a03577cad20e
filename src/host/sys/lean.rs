//! What the standard library asks of others for things that never happen here.
//!
//! In a release a panic says where it was and aborts, and there are no tables to unwind a stack by. All the
//! same std's own panic hook, in whose place ours is put at the start, links a whole unwinder for the sake of
//! `RUST_BACKTRACE`; and naming a thread, which we do not, links musl's printf with its floats. Together that
//! is 65 kB. Under these names std finds a stack without frames, and a name is taken by doing nothing. They are
//! there only in static builds that compile std as well (`--cfg lean_std`, contrib/cross/build); elsewhere they
//! are taken.
#![allow(unsafe_code)]
// The names are those of the Itanium ABI for C++.
#![allow(non_snake_case)]

/// Functions that look at nothing they are given, and answer 0.
macro_rules! answer_nothing {
    ($($name:ident)*) => {$(
        // SAFETY: nobody else defines the name in such a build. It is called by the C convention, in which a
        // function may leave its arguments alone; 0 is "no error" and a null pointer.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> usize {
            0
        }
    )*};
}

// The first three are called; the others are named by what would unwind.
answer_nothing! {
    pthread_setname_np
    _Unwind_Backtrace
    _Unwind_GetIP
    _Unwind_GetIPInfo
    _Unwind_GetDataRelBase
    _Unwind_GetTextRelBase
    _Unwind_GetRegionStart
    _Unwind_GetLanguageSpecificData
    _Unwind_SetGR
    _Unwind_SetIP
}
