//! Admin: what only a server's admins may call.

use reqwest::Method;
use stonechat_wire::{
    BenchConversations, CreateBenchConversations, CreateBenchUsers, CreateDeviceTokens, DeviceTokens,
    PasswordReset, UserId,
};

use super::{NONE, Rest};
use crate::error::Result;

/// Every call: `Refused` where the server said no, otherwise `Transport`.
impl Rest {
    /// `POST /admin/bench-users`: people with device tokens, for load runs.
    pub async fn create_bench_users(&self, create: &CreateBenchUsers) -> Result<DeviceTokens> {
        self.call(Method::POST, "/admin/bench-users", Some(create)).await
    }

    /// `POST /admin/bench-conversations`: groups of the given people, without events of their joining.
    pub async fn create_bench_conversations(
        &self,
        create: &CreateBenchConversations,
    ) -> Result<BenchConversations> {
        self.call(Method::POST, "/admin/bench-conversations", Some(create)).await
    }

    /// `POST /admin/device-tokens`: for imported people.
    pub async fn create_device_tokens(&self, create: &CreateDeviceTokens) -> Result<DeviceTokens> {
        self.call(Method::POST, "/admin/device-tokens", Some(create)).await
    }

    /// `POST /admin/users/{id}/reset-password`: a one-use password the person must change.
    pub async fn reset_password(&self, user_id: UserId) -> Result<PasswordReset> {
        self.call(Method::POST, &format!("/admin/users/{user_id}/reset-password"), NONE).await
    }
}
