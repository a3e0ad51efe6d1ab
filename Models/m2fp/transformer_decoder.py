"""Transformer decoder with masked attention (Cheng et al. 2022, Mask2Former)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .layers import MLP, MultiHeadAttention
from .pixel_decoder import LEVELS


class SelfAttentionLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.self_attn = MultiHeadAttention(config.hidden_dim, config.num_heads)
        self.norm = nn.LayerNorm(config.hidden_dim)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        return self.norm(x + self.self_attn.self_attention(x, positions))


class CrossAttentionLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.multihead_attn = MultiHeadAttention(config.hidden_dim, config.num_heads)
        self.norm = nn.LayerNorm(config.hidden_dim)

    def forward(
        self, x: Tensor, positions: Tensor, key: Tensor, value: Tensor, blocked: Tensor
    ) -> Tensor:
        attention = self.multihead_attn.cross_attention(x, positions, key, value, blocked)
        return self.norm(x + attention)


class FeedForwardLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.linear1 = nn.Linear(config.hidden_dim, config.decoder_ffn)
        self.linear2 = nn.Linear(config.decoder_ffn, config.hidden_dim)
        self.norm = nn.LayerNorm(config.hidden_dim)
        for linear in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.linear2(F.relu(self.linear1(x))))


class TransformerDecoder(nn.Module):
    """Learned queries to classes and masks, reading the levels in turn.

    A query looks only where its mask of the layer before is positive, on the level it is about
    to read. Bilinear resizing is linear, so it commutes with the product of mask embeddings and
    mask features: the features are resized once a level instead of every mask in every layer.
    """

    def __init__(self, config: Config):
        super().__init__()
        dim, count = config.hidden_dim, config.decoder_layers
        self.query_feat = nn.Embedding(config.num_queries, dim)
        self.query_embed = nn.Embedding(config.num_queries + config.person_queries, dim)
        self.level_embed = nn.Embedding(len(LEVELS), dim)
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(config) for _ in range(count)
        )
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(config) for _ in range(count)
        )
        self.transformer_ffn_layers = nn.ModuleList(FeedForwardLayer(config) for _ in range(count))
        self.decoder_norm = nn.LayerNorm(dim)
        self.class_embed = nn.Linear(dim, config.num_classes + 1)
        self.mask_embed = MLP(dim, dim, dim, config.mask_dim)

    def forward(
        self,
        mask_features: Tensor,
        tokens: list[Tensor],
        positions: list[Tensor],
        sizes: list,
        all_layers: bool = False,
        chosen: Tensor | None = None,
        read: Tensor | None = None,
    ) -> list[tuple[Tensor, Tensor]]:
        """Decode one batch.

        Parameters
        ----------
        mask_features : Tensor
            (B, mask_dim, H/4, W/4).
        tokens, positions : list of Tensor
            (B, H*W, E) and (H*W, E) of each level.
        sizes : list
            (height, width) of each level.
        all_layers : bool
            Predict from the initial queries and after every layer, not only after the last.
        chosen : Tensor or None
            (B, N, E), the features of queries chosen from the image, which follow the learned.
        read : Tensor or None
            (B, mask_dim, P), samples of ``mask_features`` at which to predict the masks instead
            of at every pixel: sampling is linear as well, and a loss looks at a few points only.

        Returns
        -------
        list of (Tensor, Tensor)
            Class logits (B, Q, C+1) and mask logits (B, Q, H/4, W/4) or (B, Q, P) of each
            prediction.
        """
        if read is None:
            read = mask_features
        values = [x + mark for x, mark in zip(tokens, self.level_embed.weight.unbind())]
        keys = [x + place for x, place in zip(values, positions)]
        resized = [
            F.interpolate(mask_features, size=size, mode="bilinear", align_corners=False).flatten(2)
            for size in sizes
        ]
        place = self.query_embed.weight
        x = self.query_feat.weight.expand(mask_features.shape[0], -1, -1)
        if chosen is not None:
            x = torch.cat((x, chosen), dim=1)
        predictions = []
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
        )
        for index, (cross_attention, self_attention, feed_forward) in enumerate(layers):
            level = index % len(tokens)
            embedding = self.mask_embed(self.decoder_norm(x))
            if all_layers:
                predictions.append(self._predict(x, embedding, read))
            blocked = torch.matmul(embedding, resized[level]) < 0
            # A query whose mask is empty would have nothing to look at: it looks everywhere.
            blocked = blocked & ~blocked.all(dim=-1, keepdim=True)
            x = cross_attention(x, place, keys[level], values[level], blocked)
            x = self_attention(x, place)
            x = feed_forward(x)
        embedding = self.mask_embed(self.decoder_norm(x))
        predictions.append(self._predict(x, embedding, read))
        return predictions

    def _predict(self, x: Tensor, embedding: Tensor, read: Tensor):
        logits = self.class_embed(self.decoder_norm(x))
        masks = torch.matmul(embedding, read.flatten(2))
        return logits, masks.unflatten(2, read.shape[2:])
