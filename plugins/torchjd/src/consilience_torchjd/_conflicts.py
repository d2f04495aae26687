"""The declarations of what weighs gradients by how they conflict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from consilience.declare import Fault, Field, GradientBalancer, nearest

__all__ = [
    "CRMOGM",
    "IMTLG",
    "MGDA",
    "PCD",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "FairGrad",
    "GradVac",
    "NashMTL",
    "PCGrad",
    "UPGrad",
]


class UPGrad(GradientBalancer, name="upgrad"):
    """Joins what is left of each gradient once it harms no other objective (Quinton and Rey 2024, arXiv:2406.16232)."""

    reg_eps: float = Field(1e-4, ge=0, le=1)
    """What is added to the Gramian's diagonal, relative to its trace, so that the program can be solved."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import UPGradWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(UPGradWeighting(projector=_projector(self.reg_eps)))


class DualProj(GradientBalancer, name="dualproj"):
    """Takes the mean gradient, as far as it harms no objective (Lopez-Paz and Ranzato 2017, arXiv:1706.08840)."""

    reg_eps: float = Field(1e-4, ge=0, le=1)
    """What is added to the Gramian's diagonal, relative to its trace, so that the program can be solved."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import DualProjWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(DualProjWeighting(projector=_projector(self.reg_eps)))


class MGDA(GradientBalancer, name="mgda"):
    """Takes the shortest combination of the gradients (Désidéri 2012; Sener and Koltun 2018, arXiv:1810.04650)."""

    epsilon: float = Field(1e-3, gt=0, le=1)
    """The step of the search below which it stops."""
    max_iters: int = Field(100, ge=1, le=100_000)
    """How many steps the search takes at most."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import MGDAWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(MGDAWeighting(self.epsilon, self.max_iters))


class PCGrad(GradientBalancer, name="pcgrad"):
    """Takes from each gradient what conflicts with the others, in random order (Yu et al. 2020, arXiv:2001.06782)."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import PCGradWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(PCGradWeighting())


class CAGrad(GradientBalancer, name="cagrad"):
    """Helps the objective that gains least, near the mean gradient (Liu et al. 2021, arXiv:2110.14048)."""

    c: float = Field(0.5, ge=0, le=100)
    """How far from the mean gradient it may go, relative to its length."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import ConflictAverse

        return ConflictAverse(self.c)


class AlignedMTL(GradientBalancer, name="aligned_mtl"):
    """Makes the gradients orthogonal and equally long before it adds them (Senushkin et al. 2023, arXiv:2305.19000)."""

    scale_mode: Literal["min", "median", "rmse"] = "min"
    """Which of the gradients' principal lengths all are brought to."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import AlignedMTLWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(AlignedMTLWeighting(scale_mode=self.scale_mode))


class IMTLG(GradientBalancer, name="imtl_g"):
    """Joins the gradients so that the sum leans equally to each (Liu et al. 2021, ICLR, IMTL-G)."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import IMTLGWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(IMTLGWeighting())


class NashMTL(GradientBalancer, name="nash_mtl"):
    """Takes the bargain of Nash between the objectives (Navon et al. 2022, arXiv:2202.01017)."""

    max_norm: float = Field(1.0, ge=0, le=1e6)
    """How long the joined gradient is at most; 0 for any length."""
    update_weights_every: int = Field(1, ge=1, le=100_000)
    """How many steps keep the weights that were found."""
    optim_niter: int = Field(20, ge=1, le=10_000)
    """How many rounds each search takes at most."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Nash

        return Nash(objectives, self.max_norm, self.update_weights_every, self.optim_niter)


class FairGrad(GradientBalancer, name="fairgrad"):
    """Shares progress out fairly between the objectives (Ban and Ji 2024, arXiv:2402.15638)."""

    alpha: float = Field(1.0, ge=0, le=100)
    """How fair: 0 is the mean gradient, 1 proportional fairness, large is for the objective that gains least."""
    max_iters: int | None = Field(None, ge=1, le=100_000)
    """How many rounds the search takes at most; 100 an objective when left out."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import FairGradWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(FairGradWeighting(self.alpha, self.max_iters))


class ConFIG(GradientBalancer, name="config"):
    """Follows the direction with the same cosine to every gradient (Liu et al. 2024, arXiv:2408.11104)."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import ConFIG

        from consilience_torchjd.weightings import Joined

        return Joined(ConFIG())


class GradVac(GradientBalancer, name="gradvac"):
    """Turns gradients to the cosines that they had in the mean, in random order (Wang et al. 2021, 2010.05874)."""

    beta: float = Field(0.5, ge=0, le=1)
    """How fast the remembered cosines follow."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Vaccinated

        return Vaccinated(objectives, self.beta)


class PCD(GradientBalancer, name="pcd"):
    """Follows one objective's gradient as far as every other gains a share of its own (arXiv:2606.29521)."""

    primary: str = Field(min_length=1)
    """The objective that is followed: a loss, or a discipline where `per: discipline`."""
    tau: float = Field(0.02, ge=0, le=1)
    """The share of its own progress that each other objective keeps."""
    beta: float = Field(0.999, ge=0, lt=1)
    """How slowly the remembered lengths of the gradients follow."""

    def faults_on(self, objectives: tuple[str, ...]) -> Iterable[Fault]:
        """Tells that what is to be followed is none of the objectives."""
        if self.primary not in objectives:
            near = nearest(self.primary, objectives) or objectives[0]
            expected = f"one of {', '.join(objectives)}"
            yield Fault("CN491", "primary", f"{self.primary}, which is not weighed", expected, f"primary: {near}")

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Prioritised

        return Prioritised(objectives, self.primary, self.tau, self.beta)


class CRMOGM(GradientBalancer, name="cr_mogm"):
    """Smooths the weights of another method over the steps (Zhou et al. 2022, NeurIPS, CR-MOGM)."""

    method: Literal["upgrad", "mgda", "pcgrad", "imtl_g", "aligned_mtl", "dualproj"] = "mgda"
    """Whose weights are smoothed, with that component's own settings as they are when left out."""
    alpha: float = Field(0.9, ge=0, lt=1)
    """How slowly the weights follow."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Smoothed

        methods = {one.component: one for one in (UPGrad, MGDA, PCGrad, IMTLG, AlignedMTL, DualProj)}
        return Smoothed(objectives, methods[self.method]().build(objectives).weigh, self.alpha)


def _projector(reg_eps: float) -> Any:
    """Gives the solver of the dual cone, which normalises however short the gradients are."""
    from torchjd.linalg import QuadprogProjector

    return QuadprogProjector(norm_eps=0.0, reg_eps=reg_eps)
