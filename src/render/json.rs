//! JSON documents of a fixed shape, written and read by one list of their fields.
//!
//! A type names its fields once ([`Fields`]), each with the [`Slot`] in which its value stands: the writer
//! takes the values from there, the reader puts them there. The tokens are nanoserde's business. Fields may
//! come in any order; those that nobody knows are passed over, and of two with one name the last one counts.
//! What may be null may be missing, everything else must be there.
//!
//! What is written is one line, harmless to a terminal. What is read must have passed `status::shape`.

use std::fmt::Write;
use std::mem;
use std::str::Chars;

use nanoserde::{DeJsonErr, DeJsonErrReason, DeJsonState, DeJsonTok};

use super::decimal;

/// Where the value of a field stands, and of which kind it is.
pub enum Slot<'a> {
    Text(&'a mut String),
    Flag(&'a mut bool),
    Count(&'a mut u64),
    Whole(&'a mut i64),
    /// A number with up to three places, in thousandths.
    Decimal(&'a mut u64),
    Object(&'a mut dyn Fields),
    List(&'a mut dyn Many),
    // What may be null.
    MaybeText(&'a mut Option<String>),
    MaybeFlag(&'a mut Option<bool>),
    MaybeWhole(&'a mut Option<i64>),
    MaybeDecimal(&'a mut Option<u64>),
    MaybeObject(&'a mut dyn Many),
}

/// An object of the document.
pub trait Fields {
    /// Names all fields to `pass`, always in the same order.
    fn fields(&mut self, pass: &mut dyn Pass);
}

/// What is done with the fields.
pub trait Pass {
    fn field(&mut self, name: &'static str, slot: Slot<'_>);
}

/// Objects one after the other.
pub trait Many {
    fn clear(&mut self);
    /// A new one at the end.
    fn add(&mut self) -> &mut dyn Fields;
    fn at(&mut self, index: usize) -> Option<&mut dyn Fields>;
}

impl<T: Fields + Default> Many for Vec<T> {
    fn clear(&mut self) {
        Vec::clear(self);
    }

    fn add(&mut self) -> &mut dyn Fields {
        let end = self.len();
        self.push(T::default());
        &mut self[end]
    }

    fn at(&mut self, index: usize) -> Option<&mut dyn Fields> {
        Some(self.get_mut(index)?)
    }
}

/// At most one.
impl<T: Fields + Default> Many for Option<T> {
    fn clear(&mut self) {
        *self = None;
    }

    fn add(&mut self) -> &mut dyn Fields {
        self.insert(T::default())
    }

    fn at(&mut self, index: usize) -> Option<&mut dyn Fields> {
        match self {
            Some(only) if index == 0 => Some(only),
            _ => None,
        }
    }
}

/// Appends the document.
pub fn write(out: &mut String, document: &mut dyn Fields) {
    out.push('{');
    document.fields(&mut Writer { out });
    out.push('}');
}

struct Writer<'a> {
    out: &'a mut String,
}

impl Pass for Writer<'_> {
    fn field(&mut self, name: &'static str, slot: Slot<'_>) {
        // No value ends with a bracket that opens.
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        push_text(self.out, name);
        self.out.push(':');
        self.value(slot);
    }
}

impl Writer<'_> {
    fn value(&mut self, slot: Slot<'_>) {
        match slot {
            Slot::Text(text) => push_text(self.out, text),
            Slot::Flag(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Slot::Count(count) => write!(self.out, "{count}").unwrap_or_default(),
            Slot::Whole(number) => write!(self.out, "{number}").unwrap_or_default(),
            Slot::Decimal(thousandths) => decimal::push(self.out, *thousandths as i64, 3),
            Slot::Object(object) => write(self.out, object),
            Slot::List(list) => {
                self.out.push('[');
                let mut index = 0;
                while let Some(object) = list.at(index) {
                    if index > 0 {
                        self.out.push(',');
                    }
                    write(self.out, object);
                    index += 1;
                }
                self.out.push(']');
            }
            Slot::MaybeText(Some(text)) => self.value(Slot::Text(text)),
            Slot::MaybeFlag(Some(flag)) => self.value(Slot::Flag(flag)),
            Slot::MaybeWhole(Some(number)) => self.value(Slot::Whole(number)),
            Slot::MaybeDecimal(Some(thousandths)) => self.value(Slot::Decimal(thousandths)),
            Slot::MaybeObject(object) => match object.at(0) {
                Some(object) => write(self.out, object),
                None => self.out.push_str("null"),
            },
            Slot::MaybeText(None)
            | Slot::MaybeFlag(None)
            | Slot::MaybeWhole(None)
            | Slot::MaybeDecimal(None) => self.out.push_str("null"),
        }
    }
}

/// A JSON string. C1 control characters are escaped too, which JSON does not ask for: some terminals obey
/// them.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
        out.push_str(&rest[..at]);
        let mut chars = rest[at..].chars();
        match chars.next().unwrap_or_default() {
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Reads a document into one that holds nothing yet.
pub fn read(text: &str, document: &mut dyn Fields) -> Result<(), String> {
    let mut reader = Reader {
        tokens: DeJsonState::default(),
        chars: text.chars(),
    };
    let read = reader.start().and_then(|()| reader.object(document));
    read.map_err(|error| in_words(&error))
}

/// The cause as nanoserde has it, but without the number that was met: text of numbers with a point is made
/// nowhere else, and would cost more than all of this.
fn in_words(error: &DeJsonErr) -> String {
    let nothing = String::new();
    let (what, about) = match &error.msg {
        DeJsonErrReason::MissingKey(name) => ("there is no", name),
        DeJsonErrReason::UnexpectedToken(_, wanted) => ("this is no", wanted),
        DeJsonErrReason::OutOfRange(value) => ("out of range:", value),
        DeJsonErrReason::CannotParse(what) => ("unreadable", what),
        _ => ("unexpected text", &nothing),
    };
    let (line, column) = (error.line + 1, error.col + 1);
    format!("{what} {about}, line {line}, column {column}")
}

struct Reader<'a> {
    tokens: DeJsonState,
    chars: Chars<'a>,
}

impl Reader<'_> {
    fn start(&mut self) -> Result<(), DeJsonErr> {
        self.tokens.next(&mut self.chars);
        self.next()
    }

    fn next(&mut self) -> Result<(), DeJsonErr> {
        self.tokens.next_tok(&mut self.chars)
    }

    fn object(&mut self, object: &mut dyn Fields) -> Result<(), DeJsonErr> {
        self.tokens.curly_open(&mut self.chars)?;
        let mut seen = 0;
        while self.tokens.tok == DeJsonTok::Str {
            let key = mem::take(&mut self.tokens.strbuf);
            self.tokens.next_colon(&mut self.chars)?;
            if !self.member(object, Some(&key), &mut seen)? {
                self.pass_over()?;
            }
            self.tokens.eat_comma_curly(&mut self.chars)?;
        }
        self.tokens.curly_close(&mut self.chars)?;
        self.member(object, None, &mut seen).map(drop)
    }

    /// Reads a value into the field of that name; false if there is none. Without a name, looks whether
    /// something is missing.
    fn member(
        &mut self,
        object: &mut dyn Fields,
        key: Option<&str>,
        seen: &mut u64,
    ) -> Result<bool, DeJsonErr> {
        let mut member = Member {
            reader: self,
            key,
            bit: 1,
            seen,
            outcome: Ok(false),
        };
        object.fields(&mut member);
        member.outcome
    }

    fn value(&mut self, slot: Slot<'_>) -> Result<(), DeJsonErr> {
        let null = self.tokens.tok == DeJsonTok::Null;
        match slot {
            Slot::Text(text) => *text = self.tokens.as_string()?,
            Slot::Flag(flag) => *flag = self.tokens.as_bool()?,
            Slot::Count(count) => *count = self.tokens.u64_range(u64::MAX)?,
            Slot::Whole(number) => *number = self.tokens.i64_range(i64::MIN, i64::MAX)?,
            Slot::Decimal(thousandths) => *thousandths = self.decimal()?,
            Slot::Object(object) => return self.object(object),
            Slot::List(list) => return self.list(list),
            Slot::MaybeObject(object) => {
                object.clear();
                if !null {
                    return self.object(object.add());
                }
            }
            Slot::MaybeText(text) => {
                *text = if null {
                    None
                } else {
                    Some(self.tokens.as_string()?)
                };
            }
            Slot::MaybeFlag(flag) => {
                *flag = if null {
                    None
                } else {
                    Some(self.tokens.as_bool()?)
                };
            }
            Slot::MaybeWhole(number) if null => *number = None,
            Slot::MaybeWhole(number) => {
                return self.value(Slot::Whole(number.insert(0)));
            }
            Slot::MaybeDecimal(thousandths) => {
                *thousandths = if null { None } else { Some(self.decimal()?) };
            }
        }
        self.next()
    }

    fn list(&mut self, list: &mut dyn Many) -> Result<(), DeJsonErr> {
        list.clear();
        self.tokens.block_open(&mut self.chars)?;
        while self.tokens.tok != DeJsonTok::BlockClose {
            self.object(list.add())?;
            self.tokens.eat_comma_block(&mut self.chars)?;
        }
        self.tokens.block_close(&mut self.chars)
    }

    /// A number in thousandths; 0 for what is out of all proportion.
    fn decimal(&mut self) -> Result<u64, DeJsonErr> {
        let thousandths = self.tokens.as_f64()? * 1000.0;
        Ok(match (0.0..MOST_THOUSANDTHS).contains(&thousandths) {
            true => (thousandths + 0.5) as u64,
            false => 0,
        })
    }

    /// Passes over a value, whatever it is.
    fn pass_over(&mut self) -> Result<(), DeJsonErr> {
        let mut open = 0usize;
        loop {
            match self.tokens.tok {
                DeJsonTok::CurlyOpen | DeJsonTok::BlockOpen => open += 1,
                DeJsonTok::CurlyClose | DeJsonTok::BlockClose if open > 0 => open -= 1,
                DeJsonTok::Colon | DeJsonTok::Comma if open > 0 => {}
                DeJsonTok::Str
                | DeJsonTok::Null
                | DeJsonTok::Bool(_)
                | DeJsonTok::U64(_)
                | DeJsonTok::I64(_)
                | DeJsonTok::F64(_) => {}
                _ => return Err(self.tokens.err_token("value")),
            }
            self.next()?;
            if open == 0 {
                return Ok(());
            }
        }
    }
}

/// Up to here a number with three places survives being read and written: 31,000 years in milliseconds.
const MOST_THOUSANDTHS: f64 = 1e15;

/// One member of an object on its way to the field of its name.
struct Member<'r, 'a> {
    reader: &'r mut Reader<'a>,
    key: Option<&'r str>,
    /// Stands for the field that is named next; an object has at most 64.
    bit: u64,
    seen: &'r mut u64,
    outcome: Result<bool, DeJsonErr>,
}

impl Pass for Member<'_, '_> {
    fn field(&mut self, name: &'static str, slot: Slot<'_>) {
        let bit = self.bit;
        self.bit <<= 1;
        match self.key {
            Some(key) if key == name => {
                *self.seen |= bit;
                self.outcome = self.reader.value(slot).map(|()| true);
            }
            None if *self.seen & bit == 0 && self.outcome.is_ok() && !slot.may_be_null() => {
                self.outcome = Err(self.reader.tokens.err_nf(name));
            }
            _ => {}
        }
    }
}

impl Slot<'_> {
    fn may_be_null(&self) -> bool {
        matches!(
            self,
            Slot::MaybeText(_)
                | Slot::MaybeFlag(_)
                | Slot::MaybeWhole(_)
                | Slot::MaybeDecimal(_)
                | Slot::MaybeObject(_)
        )
    }
}
