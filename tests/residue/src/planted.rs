//! The leaks that the hunt must find.
