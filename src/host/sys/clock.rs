//! Both clocks, and the local calendar.
//!
//! [`now`] is called at the beginning and at the end of each turn of the loop. The wall clock is right beyond 2038
//! on targets whose `time_t` has 32 bits, as long as the kernel is (5.1 and later); the calendar of such a moment is
//! taken from an equivalent year.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::mem::MaybeUninit;

use super::TimeT;
use crate::time::{Calendar, Mono, Now, Wall};

/// Reads `CLOCK_MONOTONIC` and `CLOCK_REALTIME`.
pub fn now() -> Now {
    let (seconds, nanos) = read(libc::CLOCK_MONOTONIC);
    let mono = u64::try_from(seconds).unwrap_or(0) * 1_000_000 + nanos.unsigned_abs() / 1_000;
    let (seconds, nanos) = read(libc::CLOCK_REALTIME);
    Now {
        mono: Mono::from_micros(mono),
        wall: Wall::from_micros(seconds * 1_000_000 + nanos / 1_000),
    }
}

/// Seconds and nanoseconds of a clock.
#[cfg(not(all(target_pointer_width = "32", not(target_arch = "x86_64"))))]
fn read(clock: libc::clockid_t) -> (i64, i64) {
    read_native(clock)
}

/// The same where `time_t` may have 32 bits: by the call that does not, unless the kernel is older than that.
#[cfg(all(target_pointer_width = "32", not(target_arch = "x86_64")))]
fn read(clock: libc::clockid_t) -> (i64, i64) {
    // The number is the same on every 32-bit architecture, but the old ABI of MIPS starts counting at 4000.
    const GETTIME64: libc::c_long = if cfg!(any(target_arch = "mips", target_arch = "mips32r6")) {
        4403
    } else {
        403
    };
    let mut time = [0i64; 2];
    // SAFETY: the kernel writes one `struct __kernel_timespec`, which is two 64-bit integers, to a valid
    // array.
    let result = unsafe { libc::syscall(GETTIME64, clock, time.as_mut_ptr()) };
    if result == 0 {
        (time[0], time[1])
    } else {
        read_native(clock)
    }
}

#[allow(clippy::useless_conversion)]
fn read_native(clock: libc::clockid_t) -> (i64, i64) {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to. Both clocks exist on every Linux, so the call can't
    // fail.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (i64::from(time.tv_sec), i64::from(time.tv_nsec))
}

/// Seconds in 28 years: between 1901 and 2099 the calendar repeats itself after them, weekdays included.
const CYCLE: i64 = 883_612_800;

/// A wall time in local fields, by the zone of the process.
pub fn local_calendar(wall: Wall) -> Calendar {
    let (time, cycles) = into_range(wall.seconds());
    let mut fields = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid; `tm` is a plain struct of integers and one pointer, for which zeroes
    // are valid.
    let result = unsafe { libc::localtime_r(&time, fields.as_mut_ptr()) };
    if result.is_null() {
        // Only a year beyond an int has no calendar.
        return Calendar::default();
    }
    // SAFETY: it was zeroed above and then filled by localtime_r.
    let fields = unsafe { fields.assume_init() };
    let number = |field: libc::c_int| u32::try_from(field).unwrap_or(0);
    Calendar {
        year: fields
            .tm_year
            .saturating_add(1900)
            .saturating_add(cycles * 28),
        month: number(fields.tm_mon) + 1,
        day: number(fields.tm_mday),
        hour: number(fields.tm_hour),
        minute: number(fields.tm_min),
        second: number(fields.tm_sec),
        micros: wall.subsec_micros(),
        offset: i32::try_from(fields.tm_gmtoff).unwrap_or(0),
    }
}

/// Has the file of the time zone read again: it may be another one by now. Both C libraries look whether the name
/// is the same before they look at the file, and musl at nothing else; so for a moment there is another name.
pub fn reread_zone() {
    let name = c"TZ";
    // SAFETY: the name is a C string; the answer is null or points into the environment.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    let value = (!value.is_null()).then(|| {
        // SAFETY: it is a C string, which nobody changes before it is copied: the program has one thread.
        unsafe { CStr::from_ptr(value) }.to_owned()
    });
    set_zone(Some(c"UTC0"));
    set_zone(value.as_deref());
}

fn set_zone(value: Option<&CStr>) {
    let name = c"TZ";
    match value {
        // SAFETY: both are C strings, which are copied; nobody else looks at the environment, as there is one thread.
        Some(value) => unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) },
        // SAFETY: as above.
        None => unsafe { libc::unsetenv(name.as_ptr()) },
    };
    // SAFETY: it takes nothing and reads the environment.
    unsafe { tzset() };
}

unsafe extern "C" {
    fn tzset();
}

/// The moment as a `time_t`, and by how many cycles it was moved back to fit.
fn into_range(mut seconds: i64) -> (TimeT, i32) {
    let mut cycles = 0;
    loop {
        match TimeT::try_from(seconds) {
            Ok(time) => return (time, cycles),
            Err(_) if seconds < 0 => return (TimeT::MIN, 0),
            Err(_) => {
                seconds -= CYCLE;
                cycles += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_wall_clock_agrees_with_std() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let wall = now().wall.micros();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(i128::from(wall) >= before.as_micros() as i128);
        assert!(i128::from(wall) <= after.as_micros() as i128);
    }

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let mut last = now().mono;
        for _ in 0..10_000 {
            let next = now().mono;
            assert!(next >= last);
            last = next;
        }
    }

    /// Whatever the zone of the machine, fields and offset together name the same moment.
    #[test]
    fn the_calendar_names_the_moment() {
        for seconds in [0, 951_782_400, 1_511_372_123, 2_147_483_648, 4_107_542_399] {
            let c = local_calendar(Wall::from_micros(seconds * 1_000_000 + 42));
            let days = days_from_civil(i64::from(c.year), i64::from(c.month), i64::from(c.day));
            let clock = i64::from(c.hour * 3600 + c.minute * 60 + c.second);
            assert_eq!(
                days * 86_400 + clock - i64::from(c.offset),
                seconds,
                "{c:?}"
            );
            assert_eq!(c.micros, 42);
        }
    }

    /// Howard Hinnant's algorithm, as an independent witness.
    fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    #[test]
    fn the_cycle_is_28_years() {
        assert_eq!(
            CYCLE,
            (days_from_civil(2028, 1, 1) - days_from_civil(2000, 1, 1)) * 86_400
        );
    }
}
