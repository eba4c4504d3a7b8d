//! Codecs as recipes and the command line name them: `zstd:3`, `blosc-zstd:5:shuffle`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::array::codec::BloscShuffle;
use crate::document::did_you_mean;

/// A lossless compression of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// No compression: `none`.
    None,
    /// `zstd:N`, N from 1 to 22.
    Zstd {
        /// Level.
        level: u8,
    },
    /// `gzip:N`, N from 0 to 9.
    Gzip {
        /// Level.
        level: u8,
    },
    /// `blosc-lz4:N:shuffle`, N from 0 to 9.
    BloscLz4 {
        /// Level.
        level: u8,
        /// Filter.
        shuffle: BloscShuffle,
    },
    /// `blosc-zstd:N:shuffle` or `blosc-zstd:N:bitshuffle`, N from 0 to 9.
    BloscZstd {
        /// Level.
        level: u8,
        /// Filter.
        shuffle: BloscShuffle,
    },
}

/// A text that names no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CodecError {
    /// What is wrong, in one sentence.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

const FORMS: &str = "none | zstd:N | blosc-lz4:N:shuffle | blosc-zstd:N:shuffle | blosc-zstd:N:bitshuffle | gzip:N";

impl FromStr for Codec {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        let wrong = |what: String, help: String| CodecError { what, help };
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let (level, shuffle) = (parts.next(), parts.next());
        let forms = || format!("possible: {FORMS}");
        if parts.next().is_some() {
            return Err(wrong(format!("the codec {text:?} has too many parts"), forms()));
        }
        let level = |most: u8, least: u8| match level.map(|level| (level, level.parse::<u8>())) {
            Some((_, Ok(level))) if (least..=most).contains(&level) => Ok(level),
            Some((level, _)) => Err(wrong(
                format!("the level of the codec {text:?} is {level:?}"),
                format!("write a whole number from {least} to {most}"),
            )),
            None => {
                Err(wrong(format!("the codec {text:?} has no level"), format!("for example {name}:{}", most.min(5))))
            }
        };
        let no_shuffle = || match shuffle {
            None => Ok(()),
            Some(_) => Err(wrong(format!("the codec {text:?} has no filter"), forms())),
        };
        let blosc_shuffle = |bits: bool| match shuffle {
            Some("shuffle") => Ok(BloscShuffle::Shuffle),
            Some("bitshuffle") if bits => Ok(BloscShuffle::BitShuffle),
            Some(other) => Err(wrong(format!("the codec {text:?} has the filter {other:?}"), forms())),
            None => Err(wrong(format!("the codec {text:?} names no filter"), forms())),
        };
        match name {
            "none" if text == "none" => Ok(Self::None),
            "zstd" => {
                no_shuffle()?;
                Ok(Self::Zstd { level: level(22, 1)? })
            }
            "gzip" => {
                no_shuffle()?;
                Ok(Self::Gzip { level: level(9, 0)? })
            }
            "blosc-lz4" => Ok(Self::BloscLz4 { level: level(9, 0)?, shuffle: blosc_shuffle(false)? }),
            "blosc-zstd" => Ok(Self::BloscZstd { level: level(9, 0)?, shuffle: blosc_shuffle(true)? }),
            _ => {
                let near = did_you_mean(name, ["none", "zstd", "gzip", "blosc-lz4", "blosc-zstd"]);
                let help = if near.starts_with("possible") { forms() } else { format!("{near} {}", forms()) };
                Err(wrong(format!("{text:?} names no codec"), help))
            }
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = |shuffle: &BloscShuffle| match shuffle {
            BloscShuffle::BitShuffle => "bitshuffle",
            _ => "shuffle",
        };
        match self {
            Self::None => f.write_str("none"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::BloscLz4 { level, shuffle } => write!(f, "blosc-lz4:{level}:{}", filter(shuffle)),
            Self::BloscZstd { level, shuffle } => write!(f, "blosc-zstd:{level}:{}", filter(shuffle)),
        }
    }
}

impl Serialize for Codec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Codec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Codec {
    fn schema_name() -> Cow<'static, str> {
        "Codec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "firn-codec", "description": FORMS })
    }
}
