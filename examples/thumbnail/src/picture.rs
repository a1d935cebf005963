//! From picture to thumbnail, in bounded memory.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

/// Width of a thumbnail where none is asked for, in pixels.
pub const WIDTH: u32 = 128;
/// Width of a thumbnail at most, in pixels.
pub const WIDTH_MAX: u32 = 2_048;
/// Height or width of a picture at most, in pixels.
pub const SIDE_MAX: u32 = 16_384;
/// Memory for the picture's pixels at most, in bytes: 16 megapixels in colour.
pub const DECODED_BYTES_MAX: u64 = 48 << 20;

const JPEG_QUALITY: u8 = 82;

/// Why there is no thumbnail. Says nothing about the picture but that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The width is not a number within bounds.
    #[error("the width is not a whole number from 1 to 2048")]
    Width,
    /// The bytes are neither JPEG nor PNG.
    #[error("the input is neither a JPEG nor a PNG")]
    Kind,
    /// The picture is larger than the bounds above.
    #[error("the picture is too large; at most 16 megapixels fit")]
    TooLarge,
    /// The bytes begin like a picture and do not go on like one.
    #[error("the picture is damaged")]
    Damaged,
    /// The thumbnail could not be written down.
    #[error("the thumbnail could not be encoded")]
    Encode,
}

/// Reads a width from text; nothing or white space means [`WIDTH`].
///
/// # Errors
/// [`Refusal::Width`] when there is something else than a number from 1 to [`WIDTH_MAX`].
pub fn width(text: &[u8]) -> Result<u32, Refusal> {
    let text = std::str::from_utf8(text).map_err(|_| Refusal::Width)?.trim();
    if text.is_empty() {
        return Ok(WIDTH);
    }
    let width = text.parse().map_err(|_| Refusal::Width)?;
    if (1..=WIDTH_MAX).contains(&width) { Ok(width) } else { Err(Refusal::Width) }
}

/// Makes a thumbnail `width` pixels wide, or as wide as the picture if that is less. Upright,
/// without metadata, of the same kind as the picture.
///
/// # Errors
/// [`Refusal`] says what is wrong with the picture.
pub fn thumbnail(picture: &[u8], width: u32) -> Result<Vec<u8>, Refusal> {
    let kind = match image::guess_format(picture) {
        Ok(kind @ (ImageFormat::Jpeg | ImageFormat::Png)) => kind,
        _ => return Err(Refusal::Kind),
    };
    let upright = decode(picture, kind)?;
    let small = if upright.width() > width { shrink(&upright, width) } else { upright };
    encode(small, kind)
}

fn decode(picture: &[u8], kind: ImageFormat) -> Result<DynamicImage, Refusal> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(picture), kind);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| refusal(&error))?;
    if decoder.total_bytes() > DECODED_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    // A picture whose orientation cannot be read is shown as it is stored.
    let orientation = decoder.orientation().ok();
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|error| refusal(&error))?;
    if let Some(orientation) = orientation {
        decoded.apply_orientation(orientation);
    }
    Ok(decoded)
}

/// Each pixel of the thumbnail is the mean of the pixels it stands for.
fn shrink(picture: &DynamicImage, width: u32) -> DynamicImage {
    let (from_width, from_height) = (u64::from(picture.width()), u64::from(picture.height()));
    let height = (from_height * u64::from(width)).div_ceil(from_width.max(1));
    picture.thumbnail_exact(width, u32::try_from(height).unwrap_or(SIDE_MAX).max(1))
}

fn encode(small: DynamicImage, kind: ImageFormat) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let written = if kind == ImageFormat::Png {
        let compression = CompressionType::Default;
        let encoder = PngEncoder::new_with_quality(&mut bytes, compression, FilterType::Adaptive);
        small.write_with_encoder(encoder)
    } else {
        // A JPEG has no transparency and eight bits a channel, whatever it was decoded to.
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        small.to_rgb8().write_with_encoder(encoder)
    };
    written.map_err(|_| Refusal::Encode)?;
    Ok(bytes)
}

fn refusal(error: &ImageError) -> Refusal {
    match error {
        ImageError::Limits(_) => Refusal::TooLarge,
        _ => Refusal::Damaged,
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
