//! The messages of object headers ("Disk Format: Level 2A2"), one module a message.

pub(super) mod attribute;
pub(super) mod dataspace;
pub(super) mod datatype;
pub(super) mod fill;
pub(super) mod filter;
pub(super) mod layout;
pub(super) mod link;

/// Types of the messages that are read.
pub(super) mod kind {
    pub const DATASPACE: u16 = 0x0001;
    pub const LINK_INFO: u16 = 0x0002;
    pub const DATATYPE: u16 = 0x0003;
    pub const FILL_OLD: u16 = 0x0004;
    pub const FILL: u16 = 0x0005;
    pub const LINK: u16 = 0x0006;
    pub const EXTERNAL_FILES: u16 = 0x0007;
    pub const LAYOUT: u16 = 0x0008;
    pub const GROUP_INFO: u16 = 0x000a;
    pub const FILTERS: u16 = 0x000b;
    pub const ATTRIBUTE: u16 = 0x000c;
    pub const SYMBOL_TABLE: u16 = 0x0011;
    pub const ATTRIBUTE_INFO: u16 = 0x0015;
}
