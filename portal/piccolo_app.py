"""Piccolo's view of the portal. Tables are listed by hand: a finder would take imported ones along."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from portal.accounts.tables import CheckAllowance, CheckRun, ConnectedAccount, PendingEndpoint
from portal.audit.tables import AuditEntry
from portal.auth.tables import LoginAttempt, Person, PersonSession, SetupToken
from portal.customers.tables import Customer, CustomerLink
from portal.finance.tables import Organisation
from portal.invoices.tables import Invoice, InvoiceLine
from portal.payments.tables import Payment, PaymentAttempt
from portal.sync.tables import SyncTask
from portal.webhooks.tables import DeliveryProof, DeliveryRefusal, ProofDelivery, WebhookEvent

APP_CONFIG = AppConfig(
    app_name="portal",
    migrations_folder_path=Path(__file__).parent / "piccolo_migrations",
    table_classes=[
        ConnectedAccount,
        PendingEndpoint,
        CheckAllowance,
        CheckRun,
        Customer,
        CustomerLink,
        Invoice,
        InvoiceLine,
        Payment,
        PaymentAttempt,
        SyncTask,
        WebhookEvent,
        DeliveryProof,
        ProofDelivery,
        DeliveryRefusal,
        Organisation,
        Person,
        PersonSession,
        LoginAttempt,
        SetupToken,
        AuditEntry,
    ],
    migration_dependencies=[],
)
