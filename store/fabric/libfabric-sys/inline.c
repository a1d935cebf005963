#include "inline.h"

int inline_fi_close(struct fid *fid) { return fi_close(fid); }

int inline_fi_control(struct fid *fid, int command, void *arg)
{
    return fi_control(fid, command, arg);
}

int inline_fi_trywait(struct fid_fabric *fabric, struct fid **fids, int count)
{
    return fi_trywait(fabric, fids, count);
}

int inline_fi_domain(struct fid_fabric *fabric, struct fi_info *info, struct fid_domain **domain,
                     void *context)
{
    return fi_domain(fabric, info, domain, context);
}

int inline_fi_av_open(struct fid_domain *domain, struct fi_av_attr *attr, struct fid_av **av,
                      void *context)
{
    return fi_av_open(domain, attr, av, context);
}

int inline_fi_av_insert(struct fid_av *av, const void *addr, size_t count, fi_addr_t *fi_addr,
                        uint64_t flags, void *context)
{
    return fi_av_insert(av, addr, count, fi_addr, flags, context);
}

int inline_fi_av_remove(struct fid_av *av, fi_addr_t *fi_addr, size_t count, uint64_t flags)
{
    return fi_av_remove(av, fi_addr, count, flags);
}

int inline_fi_cq_open(struct fid_domain *domain, struct fi_cq_attr *attr, struct fid_cq **cq,
                      void *context)
{
    return fi_cq_open(domain, attr, cq, context);
}

ssize_t inline_fi_cq_read(struct fid_cq *cq, void *buf, size_t count)
{
    return fi_cq_read(cq, buf, count);
}

ssize_t inline_fi_cq_readerr(struct fid_cq *cq, struct fi_cq_err_entry *buf, uint64_t flags)
{
    return fi_cq_readerr(cq, buf, flags);
}

int inline_fi_eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr, struct fid_eq **eq,
                      void *context)
{
    return fi_eq_open(fabric, attr, eq, context);
}

ssize_t inline_fi_eq_read(struct fid_eq *eq, uint32_t *event,
                          struct inline_cm_entry *entry)
{
    _Static_assert(offsetof(struct inline_cm_entry, data) == offsetof(struct fi_eq_cm_entry, data),
                   "both begin alike");
    return fi_eq_read(eq, event, entry, sizeof(*entry), 0);
}

ssize_t inline_fi_eq_readerr(struct fid_eq *eq, struct fi_eq_err_entry *buf, uint64_t flags)
{
    return fi_eq_readerr(eq, buf, flags);
}

int inline_fi_passive_ep(struct fid_fabric *fabric, struct fi_info *info, struct fid_pep **pep,
                         void *context)
{
    return fi_passive_ep(fabric, info, pep, context);
}

int inline_fi_pep_bind(struct fid_pep *pep, struct fid *other, uint64_t flags)
{
    return fi_pep_bind(pep, other, flags);
}

int inline_fi_listen(struct fid_pep *pep) { return fi_listen(pep); }

int inline_fi_connect(struct fid_ep *ep, const void *addr, const void *param, size_t paramlen)
{
    return fi_connect(ep, addr, param, paramlen);
}

int inline_fi_accept(struct fid_ep *ep, const void *param, size_t paramlen)
{
    return fi_accept(ep, param, paramlen);
}

int inline_fi_reject(struct fid_pep *pep, struct fid *handle, const void *param, size_t paramlen)
{
    return fi_reject(pep, handle, param, paramlen);
}

int inline_fi_endpoint(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ep,
                       void *context)
{
    return fi_endpoint(domain, info, ep, context);
}

int inline_fi_ep_bind(struct fid_ep *ep, struct fid *other, uint64_t flags)
{
    return fi_ep_bind(ep, other, flags);
}

int inline_fi_enable(struct fid_ep *ep) { return fi_enable(ep); }

int inline_fi_getname(struct fid *fid, void *addr, size_t *addrlen)
{
    return fi_getname(fid, addr, addrlen);
}

int inline_fi_mr_reg(struct fid_domain *domain, const void *buf, size_t len, uint64_t access,
                     uint64_t offset, uint64_t requested_key, uint64_t flags, struct fid_mr **mr,
                     void *context)
{
    return fi_mr_reg(domain, buf, len, access, offset, requested_key, flags, mr, context);
}

uint64_t inline_fi_mr_key(struct fid_mr *mr) { return fi_mr_key(mr); }

void *inline_fi_mr_desc(struct fid_mr *mr) { return fi_mr_desc(mr); }

ssize_t inline_fi_write(struct fid_ep *ep, const void *buf, size_t len, void *desc,
                        fi_addr_t dest_addr, uint64_t addr, uint64_t key, void *context)
{
    return fi_write(ep, buf, len, desc, dest_addr, addr, key, context);
}

ssize_t inline_fi_writedata(struct fid_ep *ep, const void *buf, size_t len, void *desc,
                            uint64_t data, fi_addr_t dest_addr, uint64_t addr, uint64_t key,
                            void *context)
{
    return fi_writedata(ep, buf, len, desc, data, dest_addr, addr, key, context);
}

ssize_t inline_fi_inject(struct fid_ep *ep, const void *buf, size_t len, fi_addr_t dest_addr)
{
    return fi_inject(ep, buf, len, dest_addr);
}

ssize_t inline_fi_recv(struct fid_ep *ep, void *buf, size_t len, void *desc, fi_addr_t src_addr,
                       void *context)
{
    return fi_recv(ep, buf, len, desc, src_addr, context);
}
