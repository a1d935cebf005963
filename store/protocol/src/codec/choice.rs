//! The values that are one of several things.

use std::sync::Arc;

use super::input::{Input, Part};
use crate::ids::Version;
use crate::machine::{Malformed, Place};
use crate::message::{self, Fetch, Message, Piece, Write};
use crate::row::{Frames, Holding, MemberGuard, MemberRow, ShardRow};
use crate::view::{Duty, Fate, View};

/// A choice without fields.
macro_rules! choice {
    ($type:ident { $($name:ident = $tag:literal),* }) => {
        impl Part for $type {
            const LEAST: usize = 1;
            const MOST: usize = 1;

            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self {
                    $(Self::$name => $tag,)*
                });
            }

            fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
                match input.tag()? {
                    $($tag => Ok(Self::$name),)*
                    _ => Err(Malformed),
                }
            }
        }
    };
}

choice!(Duty { Full = 1, Witness = 2 });
choice!(Fate { Held = 1, Lost = 2 });
choice!(Holding { Ready = 1, Unready = 2, Log = 3 });

/// The largest of these.
const fn most(sizes: &[usize]) -> usize {
    match sizes {
        [] => 0,
        [first, rest @ ..] => {
            let rest = most(rest);
            if *first > rest { *first } else { rest }
        }
    }
}

const PART_BACK: u8 = 1;
const PART_CHUNK: u8 = 2;
const PART_TAIL: u8 = 3;

impl Part for message::Part {
    const LEAST: usize = 1 + Version::LEAST;
    const MOST: usize = 1 + Version::MOST + Place::MOST + Version::MOST;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Back { to } => {
                out.push(PART_BACK);
                to.put(out);
            }
            Self::Chunk { at, chunk, last } => {
                out.push(PART_CHUNK);
                at.put(out);
                chunk.put(out);
                last.put(out);
            }
            Self::Tail { after, through, delivered } => {
                out.push(PART_TAIL);
                after.put(out);
                through.put(out);
                delivered.put(out);
            }
        }
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(match input.tag()? {
            PART_BACK => Self::Back { to: Version::parse(input)? },
            PART_CHUNK => Self::Chunk {
                at: Place::parse(input)?,
                chunk: u32::parse(input)?,
                last: bool::parse(input)?,
            },
            PART_TAIL => Self::Tail {
                after: Version::parse(input)?,
                through: Place::parse(input)?,
                delivered: Version::parse(input)?,
            },
            _ => return Err(Malformed),
        })
    }
}

const MESSAGE_JOIN: u8 = 1;
const MESSAGE_DECIDED: u8 = 2;
const MESSAGE_FETCH: u8 = 3;
const MESSAGE_PIECE: u8 = 4;

impl Part for Message {
    const LEAST: usize = 1 + Duty::LEAST;
    const MOST: usize = 1 + most(&[Duty::MOST, View::MOST, Fetch::MOST, Piece::MOST]);

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Join { duty } => {
                out.push(MESSAGE_JOIN);
                duty.put(out);
            }
            Self::Decided(view) => {
                out.push(MESSAGE_DECIDED);
                view.put(out);
            }
            Self::Fetch(fetch) => {
                out.push(MESSAGE_FETCH);
                fetch.put(out);
            }
            Self::Piece(piece) => {
                out.push(MESSAGE_PIECE);
                piece.put(out);
            }
        }
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(match input.tag()? {
            MESSAGE_JOIN => Self::Join { duty: Duty::parse(input)? },
            MESSAGE_DECIDED => Self::Decided(Part::parse(input)?),
            MESSAGE_FETCH => Self::Fetch(Part::parse(input)?),
            MESSAGE_PIECE => Self::Piece(Part::parse(input)?),
            _ => return Err(Malformed),
        })
    }
}

const WRITE_MEMBER: u8 = 1;
const WRITE_GUARD: u8 = 2;
const WRITE_FRAMES: u8 = 3;
const WRITE_SHARD: u8 = 4;
const WRITE_MESSAGE: u8 = 5;

impl Part for Write {
    const LEAST: usize = 1 + Message::LEAST;
    const MOST: usize = 1 + most(&[
        MemberRow::MOST,
        MemberGuard::MOST,
        Frames::MOST,
        ShardRow::MOST,
        Message::MOST,
    ]);

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Member(row) => {
                out.push(WRITE_MEMBER);
                row.put(out);
            }
            Self::Guard(guard) => {
                out.push(WRITE_GUARD);
                guard.put(out);
            }
            Self::Frames(frames) => {
                out.push(WRITE_FRAMES);
                frames.put(out);
            }
            Self::Shard(row) => {
                out.push(WRITE_SHARD);
                row.put(out);
            }
            Self::Message(message) => {
                out.push(WRITE_MESSAGE);
                message.put(out);
            }
        }
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(match input.tag()? {
            WRITE_MEMBER => Self::Member(Arc::<MemberRow>::parse(input)?),
            WRITE_GUARD => Self::Guard(MemberGuard::parse(input)?),
            WRITE_FRAMES => Self::Frames(Arc::<Frames>::parse(input)?),
            WRITE_SHARD => Self::Shard(Arc::<ShardRow>::parse(input)?),
            WRITE_MESSAGE => Self::Message(Message::parse(input)?),
            _ => return Err(Malformed),
        })
    }
}
