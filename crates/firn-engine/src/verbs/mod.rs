//! The verbs, one file each.

mod abandon;
pub(crate) mod advice;
pub mod catalog_build;
pub mod catalog_entry;
pub mod catalog_show;
mod catalog_source;
pub mod catalog_validate;
pub mod config;
pub mod demo;
mod gaps;
pub mod inbox_list;
pub mod inbox_review;
pub mod init;
pub mod inspect;
pub mod link;
pub mod plan;
pub mod promote;
pub mod push;
pub mod requests;
pub mod run;
pub mod seal;
pub mod transform;
pub mod verify;
pub mod virtualize;
