//! Power: a file system on a loop file whose power can be cut: what was not flushed is gone.
//!
//! ext4 is told to go down without flushing its log (`EXT4_IOC_SHUTDOWN`, flag `NOLOGFLUSH`), then unmounted and
//! mounted again. Needs root.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `_IOR('X', 125, __u32)`, in linux/fs/ext4/ext4.h.
const EXT4_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
/// Nothing dirty reaches the disk.
const NOLOGFLUSH: u32 = 2;

/// A mounted file system that ends with this value.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// Makes and mounts a file system of so many bytes in a sparse file under `base`.
    ///
    /// # Errors
    /// When it cannot be made or mounted; root is needed.
    pub fn create(base: &Path, bytes: u64) -> std::io::Result<Self> {
        let name = format!("stonechat-disk-{}-{}", std::process::id(), rand::random::<u32>());
        let disk = Self { image: base.join(format!("{name}.img")), mount: base.join(name) };
        File::create(&disk.image)?.set_len(bytes)?;
        std::fs::create_dir_all(&disk.mount)?;
        call("mkfs.ext4", &["-F", "-q", &text(&disk.image)])?;
        disk.mount_again()?;
        Ok(disk)
    }

    pub fn mount_point(&self) -> &Path {
        &self.mount
    }

    /// Everything written so far survives a cut.
    ///
    /// # Errors
    /// When it cannot be flushed.
    pub fn flush(&self) -> std::io::Result<()> {
        call("sync", &["-f", &text(&self.mount)])
    }

    /// Cuts the power: from here on every write fails, and what was not flushed is lost.
    ///
    /// # Errors
    /// When the kernel refuses.
    #[expect(
        unsafe_code,
        reason = "an ioctl has no safe form; the pointer outlives the call and has the size it reads"
    )]
    pub fn cut(&self) -> std::io::Result<()> {
        let directory = File::open(&self.mount)?;
        let flag = NOLOGFLUSH;
        // SAFETY: the descriptor is open, and the kernel reads four bytes behind a pointer to a living u32.
        let result = unsafe { libc::ioctl(directory.as_raw_fd(), EXT4_IOC_SHUTDOWN, &raw const flag) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }

    /// Unmounts where it is mounted, and mounts what is on the disk.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount_again(&self) -> std::io::Result<()> {
        self.unmount();
        call("mount", &["-o", "loop", &text(&self.image), &text(&self.mount)])
    }

    fn unmount(&self) {
        // Not mounted is as good.
        let _ = Command::new("umount").arg(&self.mount).stderr(std::process::Stdio::null()).status();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
        drop(std::fs::remove_file(&self.image));
        drop(std::fs::remove_dir(&self.mount));
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn call(program: &str, arguments: &[&str]) -> std::io::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(std::io::Error::other(format!("{program}: {}", said.trim())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// F3: the cut loses exactly what was not flushed.
    #[test]
    fn f3_only_what_was_flushed_survives_a_cut() {
        let base = tempfile::tempdir().unwrap();
        let disk = match Disk::create(base.path(), 64 << 20) {
            Ok(disk) => disk,
            Err(error) => {
                writeln!(std::io::stderr(), "SKIPPED: no file system can be mounted here ({error})").unwrap();
                return;
            }
        };
        let write = |name: &str| {
            let mut file = File::create(disk.mount_point().join(name)).unwrap();
            file.write_all(b"x").unwrap();
            file
        };
        write("kept").sync_all().unwrap();
        File::open(disk.mount_point()).unwrap().sync_all().unwrap();
        write("lost");
        disk.cut().unwrap();
        disk.mount_again().unwrap();
        assert!(disk.mount_point().join("kept").exists());
        assert!(!disk.mount_point().join("lost").exists());
    }
}
