//! Who does not belong gets no link, and no time.
