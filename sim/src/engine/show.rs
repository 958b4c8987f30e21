//! Steps as people read them: `put b0/k7 body 12, 4097 bytes`.

use super::body::{Delivery, Piece};
use super::client::Answer;
use super::plan::{Annotating, Condition, Cut, Request, Slot, Step};
use std::fmt::{Display, Formatter, Result};

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "b{}/k{}", self.bucket, self.key)
    }
}

impl Display for Piece {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "body {}, {} bytes", self.body, self.len)
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::None => Ok(()),
            Self::Absent => write!(f, " if absent"),
            Self::Exists => write!(f, " if there"),
            Self::Matches(body) => write!(f, " if body {body}"),
        }
    }
}

impl Display for Delivery {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(broken_at) = self.broken_at {
            write!(f, ", broken off at {broken_at}")?;
        }
        if self.is_halting {
            write!(f, ", halting")?;
        }
        Ok(())
    }
}

impl Display for Annotating {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let of = |of: &Option<u32>| of.map_or(Condition::None, Condition::Matches);
        match self {
            Self::Attach { of: value, name, piece } => {
                write!(f, "attach {piece}{} as annotation {name}", of(value))
            }
            Self::Take { of: value, name } => write!(f, "take{} annotation {name}", of(value)),
            Self::Read { name } => write!(f, "read annotation {name}"),
            Self::List => write!(f, "list annotations"),
        }
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::CreateBucket(bucket) => write!(f, "create bucket b{bucket}"),
            Self::DeleteBucket(bucket) => write!(f, "delete bucket b{bucket}"),
            Self::ListBuckets => write!(f, "list buckets"),
            Self::Put { slot, piece, condition, delivery } => {
                write!(f, "put {slot} {piece}{condition}{delivery}")
            }
            Self::Append { slot, base, beyond, piece, value, delivery } => {
                write!(f, "append {piece} to {slot}")?;
                match base {
                    Some(base) => write!(f, ", which is body {base},")?,
                    None => write!(f, ", which is not there,")?,
                }
                if *beyond > 0 {
                    write!(f, " {beyond} bytes beyond its end,")?;
                }
                write!(f, " as body {value}{delivery}")
            }
            Self::Annotation { slot, what } => write!(f, "{what} of {slot}"),
            Self::Get { slot, range: None } => write!(f, "get {slot}"),
            Self::Get { slot, range: Some((from, to)) } => {
                write!(f, "get {slot} from {from} to {to} per mille")
            }
            Self::Head(slot) => write!(f, "head {slot}"),
            Self::Delete { slot, condition } => write!(f, "delete {slot}{condition}"),
            Self::List { bucket, limit, is_rolled } => {
                let rolled = if *is_rolled { ", rolled up" } else { "" };
                write!(f, "list b{bucket}, pages of {limit}{rolled}")
            }
            Self::CreateUpload(slot) => write!(f, "begin upload of {slot}"),
            Self::PutPart { upload, number, piece, delivery } => {
                write!(f, "part {number} of upload {upload}, {piece}{delivery}")
            }
            Self::Complete { upload, condition, value } => {
                write!(f, "complete upload {upload} as body {value}{condition}")
            }
            Self::Abort(upload) => write!(f, "abort upload {upload}"),
            Self::ListParts(upload) => write!(f, "list parts of upload {upload}"),
            Self::ListUploads(bucket) => write!(f, "list uploads of b{bucket}"),
            Self::Hold(slot) => write!(f, "open {slot}"),
            Self::ReadHeld => write!(f, "read what was opened"),
            Self::CreateVersioned(bucket) => write!(f, "create bucket b{bucket} with versions"),
            Self::SetVersioning { bucket, is_on: true } => write!(f, "keep versions of b{bucket}"),
            Self::SetVersioning { bucket, .. } => write!(f, "no more versions of b{bucket}"),
            Self::SetRetention { bucket, days } => {
                write!(f, "keep new versions of b{bucket} for {days} days")
            }
            Self::SetEncryption { bucket, is_on: true } => write!(f, "encrypt in b{bucket}"),
            Self::SetEncryption { bucket, .. } => write!(f, "encrypt no more in b{bucket}"),
            Self::ListVersions(bucket) => write!(f, "list versions of b{bucket}"),
            Self::GetVersion(slot, pick) => write!(f, "get version {pick} of {slot}"),
            Self::DeleteVersion(slot, pick) => write!(f, "delete version {pick} of {slot}"),
            Self::Retain { slot, pick, ms } => {
                write!(f, "keep version {pick} of {slot} for {ms} ms")
            }
            Self::Protect { slot, pick, is_on: true } => write!(f, "hold version {pick} of {slot}"),
            Self::Protect { slot, pick, .. } => write!(f, "let version {pick} of {slot} go"),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Written(outcome) => write!(f, "written, etag {}", outcome.etag.0),
            Self::Upload(id) => write!(f, "upload {id}"),
            Self::Part(part) => write!(f, "part of {} bytes", part.size),
            Self::Object(info, offset, bytes) => {
                write!(f, "{} bytes at {offset} of etag {}", bytes.len(), info.etag.0)
            }
            Self::Info(info) => write!(f, "{} bytes, etag {}", info.size, info.etag.0),
            Self::Listed(entries) => {
                let names: Vec<_> = entries.iter().map(|entry| entry.name()).collect();
                write!(f, "listed {names:?}")
            }
            Self::Deleted(outcome) => write!(f, "deleted {:?}", outcome.version),
            Self::Versions(versions) => write!(f, "{} versions", versions.len()),
            Self::Annotation(bytes) => write!(f, "annotation of {} bytes", bytes.len()),
            Self::Annotations(count, named) => write!(f, "{count} annotations: {named:?}"),
            Self::Buckets(names) => write!(f, "buckets {names:?}"),
            Self::Parts(parts) => write!(f, "{} parts", parts.len()),
            Self::Uploads(uploads) => write!(f, "{} uploads", uploads.len()),
            Self::Held(reader) => write!(f, "holds etag {}", reader.info().etag.0),
            Self::Error(error) => write!(f, "error: {error}"),
            Self::Dropped => f.write_str("nobody waited"),
            Self::Lost => f.write_str("the answer was lost"),
            Self::Died => f.write_str("the process died"),
            Self::Hung => f.write_str("no answer"),
        }
    }
}

impl Display for Cut {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.loss {
            Some(loss) => write!(f, "power loss ({loss:?}) after {} operations", self.steps),
            None => write!(f, "kill after {} operations", self.steps),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Requests(requests) if requests.is_empty() => f.write_str("nothing"),
            Self::Requests(requests) => {
                for (index, (request, patience)) in requests.iter().enumerate() {
                    write!(f, "{}{request}", if index > 0 { " | " } else { "" })?;
                    if let Some(turns) = patience {
                        write!(f, ", given up after {turns} turns")?;
                    }
                }
                Ok(())
            }
            Self::Race(requests) => {
                write!(f, "at once: ")?;
                Self::Requests(requests.clone()).fmt(f)
            }
            Self::Change { before, change, after } => {
                write!(f, "at once: ")?;
                let first = before.iter().chain([change]).cloned().collect();
                Self::Requests(first).fmt(f)?;
                write!(f, "; then: ")?;
                Self::Requests(after.clone()).fmt(f)
            }
            Self::Pause(ms) => write!(f, "the process stands still for {ms} ms"),
            Self::Short { handles, ms, requests } => {
                write!(f, "no more than {handles} more files for {ms} ms: ")?;
                Self::Requests(requests.clone()).fmt(f)
            }
            Self::Storm { per_mille, ms, requests } => {
                write!(f, "{per_mille} of 1000 operations of all disks fail for {ms} ms: ")?;
                Self::Requests(requests.clone()).fmt(f)
            }
            Self::Wait(ms) => write!(f, "wait {ms} ms"),
            Self::Crash { cut, restarts } => {
                write!(f, "{cut}")?;
                restarts.iter().try_for_each(|cut| write!(f, ", in the start {cut}"))
            }
            Self::Stop { loss: None } => write!(f, "stop"),
            Self::Stop { loss: Some(loss) } => write!(f, "stop, power loss ({loss:?})"),
            Self::Room(Some(bytes)) => write!(f, "room for {bytes} bytes"),
            Self::Room(None) => write!(f, "room again"),
            Self::Damage { disk, damage } => write!(f, "damage disk {disk}: {damage:?}"),
            Self::Remember => write!(f, "remember the disks"),
            Self::Mend { disk } => write!(f, "make disk {disk} good"),
            Self::Heal => write!(f, "wait until healed"),
            Self::Prove => write!(f, "lose the margin"),
            Self::Core => write!(f, "lose disks for good, one after the other"),
            Self::Confess => write!(f, "compare what can be read with the status"),
            Self::Replay { loss: None } => write!(f, "kill, and compare the rows"),
            Self::Replay { loss: Some(loss) } => {
                write!(f, "power loss ({loss:?}), and compare the rows")
            }
            Self::Rest => write!(f, "stand still"),
            Self::Jump(seconds) => write!(f, "clock jumps {seconds} s"),
            Self::Verify => write!(f, "read everything"),
            Self::Calm => write!(f, "make everything good"),
            Self::Empty => write!(f, "delete everything"),
            Self::Tidy => write!(f, "look for what is left"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::workloads::WHOLE;
    use super::*;

    #[test]
    fn steps_read_like_sentences() {
        let slot = Slot { bucket: 0, key: 7 };
        let piece = Piece { body: 12, len: 4097 };
        let delivery = Delivery { broken_at: Some(5), ..WHOLE };
        let put = Request::Put { slot, piece, condition: Condition::Absent, delivery };
        let step = Step::Requests(vec![(put, None), (Request::Head(slot), Some(3))]);
        let text = "put b0/k7 body 12, 4097 bytes if absent, broken off at 5 | head b0/k7, given \
                    up after 3 turns";
        assert_eq!(step.to_string(), text);
        let cut = Cut { steps: 4, loss: None };
        let crash = Step::Crash { cut, restarts: vec![cut] };
        assert_eq!(
            crash.to_string(),
            "kill after 4 operations, in the start kill after 4 operations"
        );
    }
}
