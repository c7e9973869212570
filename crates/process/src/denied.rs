//! Why the kernel most likely refuses to have a process looked at, from what everybody may see of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::proc::{self, Status};
use crate::{Denied, ProcessError, find, sys};

/// The bits of capabilities (include/uapi/linux/capability.h).
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What decides.
#[derive(Debug, Clone, Copy)]
struct Facts {
    yama: Option<u32>,
    theirs: Party,
    ours: Party,
    /// The owner of its files below /proc that are their owner's alone (`mem`, `auxv`): its own user, or
    /// root if it is not dumpable (fs/proc/base.c, `task_dump_owner`). `None` if that cannot be seen.
    owner: Option<u32>,
}

/// One of the two processes.
#[derive(Debug, Clone, Copy)]
struct Party {
    uid: u32,
    gid: u32,
    /// In force, of this process; of the other one those that it may put in force.
    capabilities: u64,
}

/// The error for a process that this one may not look at.
pub(crate) fn not_permitted(pid: u32, status: &Status) -> ProcessError {
    let own = Status::read(Path::new("/proc/self"));
    let ours = Party {
        uid: sys::geteuid(),
        gid: own.as_ref().map_or(status.gid, |own| own.gid),
        capabilities: own.map_or(0, |own| own.capabilities),
    };
    let theirs = Party {
        uid: status.uid,
        gid: status.gid,
        capabilities: status.permitted,
    };
    let owner = fs::metadata(proc::path(pid, "mem")).ok();
    let facts = Facts {
        yama: find::yama(),
        theirs,
        ours,
        owner: owner.map(|data| data.uid()),
    };
    ProcessError::NotPermitted {
        pid,
        name: status.name.clone(),
        why: facts.why(),
    }
}

impl Facts {
    fn why(&self) -> Denied {
        let (theirs, ours) = (self.theirs, self.ours);
        let capable = ours.capabilities & CAP_SYS_PTRACE != 0;
        let reads_all = ours.capabilities & (CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH) != 0;
        let owner = self.owner.unwrap_or(theirs.uid);
        let opens = reads_all || owner == ours.uid;
        match self.yama {
            Some(scope) if scope >= 3 => Denied::Yama { scope },
            // Its user and its group count for nothing then (kernel/ptrace.c, `__ptrace_may_access`).
            _ if owner != theirs.uid && !(capable && opens) => Denied::NotDumpable {
                owner,
                ours: ours.uid,
            },
            _ if !capable && theirs.uid != ours.uid => Denied::OtherUser {
                theirs: theirs.uid,
                ours: ours.uid,
            },
            // Both are asked for (as above).
            _ if !capable && theirs.gid != ours.gid => Denied::OtherGroup {
                theirs: theirs.gid,
                ours: ours.gid,
            },
            Some(scope) if !capable && scope >= 1 => Denied::Yama { scope },
            // security/commoncap.c, `cap_ptrace_access_check`.
            _ if !capable && theirs.capabilities & !ours.capabilities != 0 => {
                Denied::MoreCapabilities
            }
            _ if !opens => Denied::Files {
                theirs: theirs.uid,
                ours: ours.uid,
            },
            _ if capable => Denied::Module,
            _ => Denied::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: u32 = 1000;

    /// Of user and group 1000 without capabilities, and so is this process.
    fn facts() -> Facts {
        let party = Party {
            uid: OTHERS,
            gid: OTHERS,
            capabilities: 0,
        };
        Facts {
            yama: Some(0),
            theirs: party,
            ours: party,
            owner: Some(OTHERS),
        }
    }

    fn with(capabilities: u64) -> Facts {
        let mut facts = facts();
        facts.ours.capabilities = capabilities;
        facts
    }

    #[test]
    fn what_is_not_dumpable_takes_both_capabilities() {
        let not_dumpable = Denied::NotDumpable {
            owner: 0,
            ours: OTHERS,
        };
        for capabilities in [0, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE] {
            let mut facts = with(capabilities);
            facts.owner = Some(0);
            assert_eq!(facts.why(), not_dumpable, "{capabilities:x}");
            // By its file (setcap), as such a program usually has some.
            facts.theirs.capabilities = 1 << 10;
            assert_eq!(facts.why(), not_dumpable, "{capabilities:x}");
            // To become its user would not do.
            facts.theirs.uid = 7;
            assert_eq!(facts.why(), not_dumpable, "{capabilities:x}");
        }
        let mut facts = with(CAP_SYS_PTRACE | CAP_DAC_READ_SEARCH);
        facts.owner = Some(0);
        assert_eq!(facts.why(), Denied::Module);
        // Root's without the capability that opens the rest.
        let mut facts = with(CAP_DAC_OVERRIDE);
        (facts.owner, facts.ours.uid) = (Some(0), 0);
        assert_eq!(facts.why(), Denied::NotDumpable { owner: 0, ours: 0 });
        facts.ours.capabilities = CAP_SYS_PTRACE;
        assert_eq!(facts.why(), Denied::Module);
        let said = not_dumpable.to_string();
        for word in ["CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH", "user 0", "1000"] {
            assert!(said.contains(word), "{word:?} in {said:?}");
        }
    }

    #[test]
    fn what_is_dumpable_is_its_users() {
        assert_eq!(facts().why(), Denied::Other);
        assert_eq!(with(CAP_SYS_PTRACE).why(), Denied::Module);
        let mut more = facts();
        more.theirs.capabilities = 1;
        assert_eq!(more.why(), Denied::MoreCapabilities);
        more.owner = None;
        assert_eq!(more.why(), Denied::MoreCapabilities);
        let mut group = facts();
        group.theirs.gid = 7;
        let why = Denied::OtherGroup {
            theirs: 7,
            ours: OTHERS,
        };
        assert_eq!(group.why(), why);
        let (theirs, ours) = (7, OTHERS);
        let of_another = |mut facts: Facts| {
            (facts.theirs.uid, facts.owner) = (7, Some(7));
            facts.why()
        };
        assert_eq!(of_another(facts()), Denied::OtherUser { theirs, ours });
        assert_eq!(
            of_another(with(CAP_SYS_PTRACE)),
            Denied::Files { theirs, ours }
        );
        for scope in 1..=3 {
            let mut facts = facts();
            facts.yama = Some(scope);
            assert_eq!(facts.why(), Denied::Yama { scope });
        }
    }
}
