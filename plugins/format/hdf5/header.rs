//! Object headers: the messages that describe a group, an array or a named type.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, IV.A.1, versions 1 and 2.

use std::collections::HashSet;

use bytes::Bytes;
use thermocline_core::{Error, Result};

use crate::checksum::checked;
use crate::cursor::Cursor;
use crate::file::File;

/// Kinds of messages.
pub(crate) mod kind {
    pub(crate) const NIL: u16 = 0x00;
    pub(crate) const DATASPACE: u16 = 0x01;
    pub(crate) const LINK_INFO: u16 = 0x02;
    pub(crate) const DATATYPE: u16 = 0x03;
    pub(crate) const OLD_FILL_VALUE: u16 = 0x04;
    pub(crate) const FILL_VALUE: u16 = 0x05;
    pub(crate) const LINK: u16 = 0x06;
    pub(crate) const EXTERNAL_FILES: u16 = 0x07;
    pub(crate) const LAYOUT: u16 = 0x08;
    pub(crate) const GROUP_INFO: u16 = 0x0a;
    pub(crate) const FILTERS: u16 = 0x0b;
    pub(crate) const ATTRIBUTE: u16 = 0x0c;
    pub(crate) const SHARED_MESSAGE_TABLE: u16 = 0x0f;
    pub(crate) const CONTINUATION: u16 = 0x10;
    pub(crate) const SYMBOL_TABLE: u16 = 0x11;
    pub(crate) const BTREE_K: u16 = 0x13;
    pub(crate) const DRIVER_INFO: u16 = 0x14;
    pub(crate) const ATTRIBUTE_INFO: u16 = 0x15;
    pub(crate) const FILE_SPACE_INFO: u16 = 0x17;
    pub(crate) const CACHE_IMAGE: u16 = 0x18;
    /// The highest kind that this reader knows of.
    pub(crate) const LAST: u16 = CACHE_IMAGE;
}

/// Most continuation blocks of one header.
const MAX_BLOCKS: usize = 4096;

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) kind: u16,
    flags: u8,
    /// When it was created among the header's messages, if the header keeps that.
    pub(crate) order: Option<u16>,
    /// Its bytes, or those of a reference to where it is shared.
    pub(crate) body: Bytes,
}

impl Message {
    /// True if the body is a reference to the message.
    pub(crate) fn is_shared(&self) -> bool {
        self.flags & 0x02 != 0
    }
}

/// The messages of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectHeader {
    pub(crate) messages: Vec<Message>,
    /// True if attributes are numbered in the order of their creation.
    pub(crate) tracks_attribute_order: bool,
}

/// A block of messages that is still to be read.
struct Block {
    address: u64,
    len: usize,
}

impl ObjectHeader {
    /// Reads the header at an address with all its continuation blocks.
    pub(crate) fn read(file: &File, address: u64) -> Result<Self> {
        let head = file.bytes.read_up_to(address, 16)?;
        if head.starts_with(b"OHDR") { read_v2(file, address, &head) } else { read_v1(file, address, &head) }
    }

    /// The first message of a kind.
    pub(crate) fn find(&self, kind: u16) -> Option<&Message> {
        self.messages.iter().find(|message| message.kind == kind)
    }

    /// All messages of a kind.
    pub(crate) fn all(&self, kind: u16) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.kind == kind)
    }

    fn push(&mut self, message: Message) -> Result<()> {
        if message.kind > kind::LAST && message.flags & 0x80 != 0 {
            return Err(Error::unsupported(format!(
                "a message of the unknown kind {:#x} that must be understood",
                message.kind
            )));
        }
        self.messages.push(message);
        Ok(())
    }
}

fn read_v1(file: &File, address: u64, head: &Bytes) -> Result<ObjectHeader> {
    let mut cursor = Cursor::new(head, file.sizes());
    let version = cursor.u8()?;
    if version != 1 {
        return Err(Error::corrupt(format!("no object header at {address} (version {version})")));
    }
    cursor.skip(1 + 2 + 4)?;
    let len = cursor.u32()? as usize;
    let first = address.checked_add(16).ok_or_else(|| Error::corrupt("an object header beyond 2^64"))?;
    let mut header = ObjectHeader::default();
    each_block(file, Block { address: first, len }, |bytes, blocks| {
        let mut cursor = Cursor::new(bytes, file.sizes());
        while cursor.remaining() >= 8 {
            let kind = cursor.u16()?;
            let len = usize::from(cursor.u16()?);
            let flags = cursor.u8()?;
            cursor.skip(3)?;
            let start = cursor.position();
            cursor.skip(len)?;
            take_message(
                file,
                &mut header,
                Message { kind, flags, order: None, body: part(bytes, start, len) },
                blocks,
            )?;
        }
        Ok(())
    })?;
    Ok(header)
}

fn read_v2(file: &File, address: u64, head: &Bytes) -> Result<ObjectHeader> {
    let flags = head.get(5).copied().unwrap_or(0);
    if head.get(4) != Some(&2) {
        return Err(Error::unsupported(format!("object header version {:?}", head.get(4))));
    }
    let prefix_len = 6 + if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
    let width = 1_usize << (flags & 3);
    let prefix = file.bytes.read(address, prefix_len + width)?;
    let mut cursor = Cursor::new(&prefix, file.sizes());
    cursor.skip(prefix_len)?;
    let len =
        usize::try_from(cursor.uint(width)?).map_err(|_| Error::corrupt("an object header too long"))?;
    let start = prefix_len + width;
    let total = start.checked_add(len).and_then(|total| total.checked_add(4));
    let total = total.ok_or_else(|| Error::corrupt("an object header too long"))?;
    let mut header = ObjectHeader { messages: Vec::new(), tracks_attribute_order: flags & 0x04 != 0 };
    let envelope = if header.tracks_attribute_order { 6 } else { 4 };
    let mut skip = start;
    each_block(file, Block { address, len: total }, |bytes, blocks| {
        let len = checked(bytes, "an object header")?.len();
        let body = part(bytes, 0, len);
        if skip == 0 {
            Cursor::new(&body, file.sizes()).expect(b"OCHK")?;
            skip = 4;
        }
        let mut cursor = Cursor::new(&body, file.sizes());
        cursor.skip(std::mem::take(&mut skip))?;
        while cursor.remaining() >= envelope {
            let kind = u16::from(cursor.u8()?);
            let len = usize::from(cursor.u16()?);
            let flags = cursor.u8()?;
            let order = if header.tracks_attribute_order { Some(cursor.u16()?) } else { None };
            let start = cursor.position();
            cursor.skip(len)?;
            take_message(
                file,
                &mut header,
                Message { kind, flags, order, body: part(&body, start, len) },
                blocks,
            )?;
        }
        Ok(())
    })?;
    Ok(header)
}

/// Reads a block and the continuation blocks that it leads to, in their order.
fn each_block(
    file: &File,
    first: Block,
    mut read: impl FnMut(&Bytes, &mut Vec<Block>) -> Result<()>,
) -> Result<()> {
    let mut left = file.limits.header_bytes;
    let mut visited = HashSet::new();
    let mut blocks = vec![first];
    let mut next = 0;
    while let Some(block) = blocks.get(next) {
        if !visited.insert(block.address) || next > MAX_BLOCKS {
            return Err(Error::corrupt("the blocks of an object header form a cycle"));
        }
        left = left.checked_sub(block.len).ok_or_else(|| {
            Error::corrupt(format!("an object header exceeds {} bytes", file.limits.header_bytes))
        })?;
        let bytes = file.bytes.read(block.address, block.len)?;
        let mut found = Vec::new();
        read(&bytes, &mut found)?;
        blocks.append(&mut found);
        next += 1;
    }
    Ok(())
}

fn take_message(
    file: &File,
    header: &mut ObjectHeader,
    message: Message,
    blocks: &mut Vec<Block>,
) -> Result<()> {
    match message.kind {
        kind::NIL => Ok(()),
        kind::CONTINUATION => {
            let mut cursor = Cursor::new(&message.body, file.sizes());
            let address =
                cursor.address()?.ok_or_else(|| Error::corrupt("a continuation without address"))?;
            blocks.push(Block { address, len: cursor.length_usize()? });
            Ok(())
        }
        _ => header.push(message),
    }
}

/// A part of bytes that was read through a cursor before.
fn part(bytes: &Bytes, start: usize, len: usize) -> Bytes {
    let end = (start + len).min(bytes.len());
    bytes.slice(start.min(end)..end)
}
