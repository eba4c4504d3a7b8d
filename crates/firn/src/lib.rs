//! The firn command.
