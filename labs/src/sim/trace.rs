//! A run as text: one JSON object a line, the same octets for the same run.
//!
//! Every line has `time_ns` and `kind`. Lines of frames (`sent`, `arrived`, `lost`, `dropped`) name the port, the frame's
//! number (`flow`; none for BPDUs) and, where a frame is at hand, its addresses, length and, if it is a BPDU, what it
//! says. Lines of bridges have the bridge's `node` and the fields of its event stream.

use core::time::Duration;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map as Object, Value, json};
use stp::Bpdu;
use switchd::frame::Header;

use super::checks::Finding;
use super::id::{FlowId, PortRef};
use super::map::Map;
use super::observe::{Notice, Observer};
use super::queue::nanos;

/// An observer that writes a trace.
#[derive(Debug)]
pub struct Trace<W: Write> {
    out: W,
    result: io::Result<()>,
}

impl<W: Write> Trace<W> {
    /// A trace into `out`; many small writes, so give it a buffer.
    pub fn new(out: W) -> Self {
        Self {
            out,
            result: Ok(()),
        }
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// The first write that failed; nothing was written after it.
    pub fn finish(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.result, Ok(()))?;
        self.out.flush()
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }
}

impl<W: Write> Observer for Trace<W> {
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>) {
        if self.result.is_ok() {
            self.result = write_line(&mut self.out, now, map, notice);
        }
    }
}

fn write_line(
    out: &mut impl Write,
    now: Duration,
    map: &Map,
    notice: &Notice<'_>,
) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &line(now, map, notice))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Line {
    time_ns: u64,
    kind: &'static str,
    #[serde(flatten)]
    fields: Object<String, Value>,
}

fn line(now: Duration, map: &Map, notice: &Notice<'_>) -> Line {
    let (kind, fields) = match *notice {
        Notice::Transmitted {
            from, frame, flow, ..
        } => ("sent", frame_fields(map, from, flow, Some(frame))),
        Notice::Arrived {
            at, frame, flow, ..
        } => ("arrived", frame_fields(map, at, flow, Some(frame))),
        Notice::Lost {
            from,
            to,
            reason,
            flow,
        } => {
            let mut fields = frame_fields(map, from, flow, None);
            if let Some(to) = to {
                fields.insert("to".to_owned(), map.label(to).into());
            }
            fields.insert("reason".to_owned(), reason.name().into());
            ("lost", fields)
        }
        Notice::Dropped { at, reason, flow } => {
            let mut fields = frame_fields(map, at, flow, None);
            fields.insert("reason".to_owned(), reason.name().into());
            ("dropped", fields)
        }
        Notice::Bridge { node, event } => {
            let mut fields = object(json!({"node": map.name(node)}));
            let mut event = object(serde_json::to_value(event).unwrap_or_default());
            if let Some(kind) = event.remove("kind") {
                fields.insert("event".to_owned(), kind);
            }
            fields.extend(event);
            ("bridge", fields)
        }
        Notice::Operation(operation) => (
            "operation",
            object(json!({"operation": operation.label(map)})),
        ),
        Notice::Finding(finding) => ("finding", finding_fields(map, finding)),
    };
    Line {
        time_ns: nanos(now),
        kind,
        fields,
    }
}

/// A finding as JSON, with the names of ports.
#[must_use]
pub fn finding_json(map: &Map, finding: &Finding) -> Value {
    let mut fields = object(json!({"time_ns": nanos(finding.time)}));
    fields.extend(finding_fields(map, finding));
    Value::Object(fields)
}

fn finding_fields(map: &Map, finding: &Finding) -> Object<String, Value> {
    use super::checks::Violation;
    let violation = &finding.violation;
    let path: Vec<String> = violation
        .path()
        .iter()
        .map(|port| map.label(*port))
        .collect();
    let mut fields = object(json!({"violation": violation.kind(), "path": path}));
    if let Some(flow) = violation.flow() {
        fields.insert("flow".to_owned(), flow.get().into());
    }
    match violation {
        Violation::Storm { copies, .. } => {
            fields.insert("copies".to_owned(), (*copies).into());
        }
        Violation::Cycle { vlan, .. } => {
            fields.insert("vlan".to_owned(), vlan.value().into());
        }
        Violation::Blackhole { to, reason, .. } => {
            fields.insert("to".to_owned(), map.label(*to).into());
            fields.insert("reason".to_owned(), (*reason).into());
        }
        Violation::Loop { .. } | Violation::Duplicate { .. } => {}
    }
    fields
}

fn frame_fields(
    map: &Map,
    port: PortRef,
    flow: Option<FlowId>,
    frame: Option<&[u8]>,
) -> Object<String, Value> {
    let mut fields = object(json!({"port": map.label(port)}));
    if let Some(flow) = flow {
        fields.insert("flow".to_owned(), flow.get().into());
    }
    let Some(frame) = frame else {
        return fields;
    };
    fields.insert("octets".to_owned(), frame.len().into());
    if let Some(header) = Header::parse(frame) {
        fields.insert(
            "destination".to_owned(),
            header.destination.to_string().into(),
        );
        fields.insert("source".to_owned(), header.source.to_string().into());
        if let Some(tag) = header.tag {
            fields.insert("vlan".to_owned(), tag.vid.value().into());
        }
        if header.destination == stp::llc::BRIDGE_GROUP_ADDRESS
            && let Ok(bpdu) = stp::llc::unframe(frame)
        {
            fields.insert("bpdu".to_owned(), bpdu_json(&bpdu));
        }
    }
    fields
}

fn bpdu_json(bpdu: &Bpdu) -> Value {
    let (kind, config, stamp) = match bpdu {
        Bpdu::Tcn => return json!({"type": "tcn"}),
        Bpdu::Config(config) => ("config", config, None),
        Bpdu::Rst(rst) => ("rst", &rst.config, rst.epoch),
        Bpdu::Mst(mst) => ("mst", &mst.cist.config, mst.cist.epoch),
    };
    let mut value = json!({
        "type": kind,
        "root": config.root.to_string(),
        "cost": config.root_path_cost,
        "bridge": config.bridge.to_string(),
        "port": config.port.to_string(),
        "age_ns": nanos(config.message_age.duration()),
        "tc": config.topology_change,
        "tca": config.topology_change_acknowledgment,
    });
    if let Some(stamp) = stamp {
        value["epoch"] = stamp.current.into();
        value["vouched"] = stamp.vouched.into();
    }
    value
}

fn object(value: Value) -> Object<String, Value> {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Object::new()
        }
    }
}
