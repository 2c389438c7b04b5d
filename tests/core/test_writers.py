"""Who has written the replicas, by the record that the API server keeps."""

import pytest

from autoscaler.core.writers import NOBODY, Writer, WriterKind, latest

PERSON, DEPLOY_TOOL = WriterKind.PERSON, WriterKind.DEPLOY_TOOL
SCALE = ("Update", "scale")
UPDATE, APPLY = ("Update", ""), ("Apply", "")

CASES = [
    ("autoscaler", SCALE, WriterKind.OURS, "autoscaler"),
    ("autoscaler", UPDATE, WriterKind.OURS, "autoscaler"),
    ("kubectl", SCALE, PERSON, "kubectl scale"),
    ("kubectl.exe", SCALE, PERSON, "kubectl scale"),
    ("kubectl.exe", APPLY, DEPLOY_TOOL, "kubectl apply"),
    ("oc", SCALE, PERSON, "oc scale"),
    ("k9s.exe", SCALE, PERSON, "k9s"),
    ("helm.exe", UPDATE, DEPLOY_TOOL, "Helm"),
    ("HashiCorp", UPDATE, DEPLOY_TOOL, "Terraform"),
    ("kubectl-edit", UPDATE, PERSON, "kubectl edit"),
    ("kubectl-patch", UPDATE, PERSON, "kubectl patch"),
    ("kubectl-patch", SCALE, PERSON, "kubectl patch"),
    ("kubectl", APPLY, DEPLOY_TOOL, "kubectl apply"),
    ("kubectl-client-side-apply", UPDATE, DEPLOY_TOOL, "kubectl apply"),
    ("kubectl-replace", UPDATE, DEPLOY_TOOL, "kubectl replace"),
    ("helm", UPDATE, DEPLOY_TOOL, "Helm"),
    ("helm", APPLY, DEPLOY_TOOL, "Helm"),
    ("argocd-controller", UPDATE, DEPLOY_TOOL, "Argo CD"),
    ("argocd-controller", APPLY, DEPLOY_TOOL, "Argo CD"),
    ("kustomize-controller", APPLY, DEPLOY_TOOL, "Flux"),
    ("helm-controller", UPDATE, DEPLOY_TOOL, "Flux"),
    ("Terraform", APPLY, DEPLOY_TOOL, "Terraform"),
    ("something-new", APPLY, DEPLOY_TOOL, "something-new"),
    ("something-new", ("Apply", "scale"), WriterKind.OTHER, "something-new"),
    ("kube-controller-manager", SCALE, WriterKind.HPA, "a HorizontalPodAutoscaler"),
    ("vpa-recommender", SCALE, WriterKind.HPA, "a HorizontalPodAutoscaler"),
    ("kube-controller-manager", UPDATE, WriterKind.OTHER, "kube-controller-manager"),
    ("keda", SCALE, WriterKind.OTHER, "KEDA"),
    ("k9s", SCALE, PERSON, "k9s"),
    ("Mozilla", UPDATE, PERSON, "a web console"),
    ("node-fetch", SCALE, PERSON, "Lens"),
    ("rancher", UPDATE, PERSON, "Rancher"),
    ("python-requests", UPDATE, WriterKind.OTHER, "python-requests"),
    ("", UPDATE, WriterKind.OTHER, "somebody"),
]


@pytest.mark.parametrize(("manager", "way", "kind", "name"), CASES)
def test_a_writer_is_told_by_its_name_and_its_way_in(manager, way, kind, name):
    """The same name may be a person's hand and a tool's: kubectl scales, and kubectl applies."""
    writer = Writer(manager, *way)
    assert (writer.kind, writer.name) == (kind, name)


@pytest.mark.parametrize(
    ("writer", "text"),
    [
        (Writer("kubectl", *SCALE), 'kubectl scale (field manager "kubectl", Update of scale)'),
        (Writer("helm", *APPLY), 'Helm (field manager "helm", server-side apply)'),
        (NOBODY, "somebody"),
    ],
)
def test_a_writer_in_words(writer, text):
    """With what to look for in managedFields."""
    assert str(writer) == text


def test_the_last_of_several_who_hold_the_replicas():
    """The later one; before all of them one without a time, who came by way of /scale."""
    old, new, scaled = Writer("a", written_at=1.0), Writer("b", written_at=2.0), Writer("c", *SCALE)
    assert latest((new, old)) == new
    assert latest((old, scaled, new)) == scaled
    assert latest(()) == NOBODY
