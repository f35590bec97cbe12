//! The options of a TCP header as they stand there, padding included.

use core::fmt::{self, Display, Formatter};

use crate::tcp::kind;

/// An options area that [`crate::tcp::Segment::parse`] has found sound.
pub(super) struct OptionList<'a>(pub(super) &'a [u8]);

impl Display for OptionList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0;
        let mut separator = "";
        while let [kind, rest @ ..] = bytes {
            f.write_str(separator)?;
            separator = ",";
            bytes = match (*kind, rest) {
                (kind::END, _) => return f.write_str("eol"),
                (kind::NO_OPERATION, _) => {
                    f.write_str("nop")?;
                    rest
                }
                (_, [length, ..]) => {
                    let Some((option, behind)) = bytes.split_at_checked(usize::from(*length))
                    else {
                        return Ok(());
                    };
                    one(f, option)?;
                    behind
                }
                _ => return Ok(()),
            };
        }
        Ok(())
    }
}

/// One option, from its kind to its end.
fn one(f: &mut Formatter<'_>, option: &[u8]) -> fmt::Result {
    match *option {
        [kind::MSS, _, a, b] => write!(f, "mss {}", u16::from_be_bytes([a, b])),
        [kind::WINDOW_SCALE, _, shift] => write!(f, "wscale {shift}"),
        [kind::SACK_PERMITTED, _] => f.write_str("sackOK"),
        [kind::TIMESTAMPS, _, ref stamps @ ..] => match words(stamps) {
            Some([value, echo]) => write!(f, "TS val {value} ecr {echo}"),
            None => Ok(()),
        },
        [kind::SACK, _, ref blocks @ ..] => {
            write!(f, "sack {} ", blocks.len() / 8)?;
            blocks
                .chunks_exact(8)
                .filter_map(words)
                .try_for_each(|[left, right]| write!(f, "{{{left}:{right}}}"))
        }
        [kind::USER_TIMEOUT, _, a, b] => {
            let field = u16::from_be_bytes([a, b]);
            let seconds = crate::tcp::UserTimeout::from_field(field).seconds();
            write!(f, "uto {field:#x} {seconds}")
        }
        [kind::FAST_OPEN, _] => f.write_str("tfo  cookiereq"),
        [kind::FAST_OPEN, _, ref cookie @ ..] => {
            f.write_str("tfo  cookie ")?;
            hexadecimal(f, cookie)
        }
        [kind, _] => write!(f, "unknown-{kind}"),
        [kind, _, ref value @ ..] => {
            write!(f, "unknown-{kind} 0x")?;
            hexadecimal(f, value)
        }
        _ => Ok(()),
    }
}

fn hexadecimal(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Two numbers of four bytes each.
fn words(bytes: &[u8]) -> Option<[u32; 2]> {
    let &[a, b, c, d, e, f, g, h] = bytes else {
        return None;
    };
    Some([
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ])
}
