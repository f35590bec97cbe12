//! What an operation is: number, request, replies, errors, and its manners.

use zerocopy::FromZeros;

use crate::error::{Code, Malformed, OperationError};
use crate::field::Layout;
use crate::message::{Message, REPLY, flag};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every client, for its own sockets.
    Anyone,
    /// Sessions that were opened with the right to administer.
    Administrators,
    /// Sessions that were opened with the right to raw sockets.
    Raw,
}

/// How often a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Once, before netd looks at the client's next request.
    Promptly,
    /// Once, when it is done. Never blocks other requests.
    Later,
    /// By completions that carry the flag `MORE`, and a last one without.
    Stream,
}

/// One operation. Implemented by its request.
pub trait Operation: Layout {
    /// The number in the request; replies carry [`REPLY`] more.
    const NUMBER: u16;
    /// Name in the document.
    const NAME: &'static str;
    /// One sentence for the document.
    const PURPOSE: &'static str;
    /// Who may call it.
    const WHO: Who;
    /// Whether doing it twice is the same as doing it once.
    const IDEMPOTENT: bool;
    /// How it is answered.
    const ANSWERS: Answers;
    /// What holds when netd dies before the answer.
    const RESTART: &'static str;
    /// Fields of a successful reply.
    type Reply: Layout;
    /// What can go wrong.
    type Error: OperationError;
}

/// The request as a message with the client's `request` id.
#[must_use]
pub fn request<O: Operation>(operation: &O, request: u32) -> Message {
    let mut message = Message::new_zeroed();
    message.header.operation.set(O::NUMBER);
    message.header.request.set(request);
    operation.encode(&mut message);
    message
}

/// A completion of the request `request`.
#[must_use]
pub fn completion<O: Operation>(request: u32, outcome: &Result<O::Reply, O::Error>) -> Message {
    match outcome {
        Ok(reply) => {
            let mut message = Message::new_zeroed();
            message.header.operation.set(O::NUMBER | REPLY);
            message.header.request.set(request);
            reply.encode(&mut message);
            message
        }
        Err(error) => refusal(O::NUMBER, request, error.code().unwrap_or(Code::Malformed)),
    }
}

/// The reply to a request that failed: no fields but the status. It is always the last one.
#[must_use]
pub fn refusal(operation: u16, request: u32, code: Code) -> Message {
    let mut message = Message::new_zeroed();
    message.header.operation.set(operation | REPLY);
    message.header.request.set(request);
    message.header.status.set(code as u32);
    message
}

/// What a client learns from a completion of `O`.
///
/// # Errors
/// The operation's error; `Malformed` too when the message is no completion of `O`.
pub fn outcome<O: Operation>(message: &Message) -> Result<O::Reply, O::Error> {
    if message.header.operation.get() != O::NUMBER | REPLY {
        return Err(O::Error::from_code(Code::Malformed));
    }
    match message.header.status.get() {
        0 => O::Reply::decode(message).map_err(|_: Malformed| O::Error::from_code(Code::Malformed)),
        status => Err(O::Error::from_status(status)),
    }
}

/// Whether further completions of the same request follow this one.
#[must_use]
pub fn is_final(message: &Message) -> bool {
    message.header.status.get() != 0 || !message.has(flag::MORE)
}

/// Declares operations over layouts: everything that `Operation` asks for, in one place.
macro_rules! operations {
    ($(
        $number:literal $name:literal $request:ident -> $reply:ident, $error:ident,
        $who:ident, $answers:ident, idempotent: $idempotent:literal,
        $purpose:literal, restart: $restart:literal;
    )*) => {$(
        impl $crate::operation::Operation for $request {
            const NUMBER: u16 = $number;
            const NAME: &'static str = $name;
            const PURPOSE: &'static str = $purpose;
            const WHO: $crate::operation::Who = $crate::operation::Who::$who;
            const IDEMPOTENT: bool = $idempotent;
            const ANSWERS: $crate::operation::Answers = $crate::operation::Answers::$answers;
            const RESTART: &'static str = $restart;
            type Reply = $reply;
            type Error = $crate::error::$error;
        }
    )*};
}
pub(crate) use operations;
